"""Why a cell is suggested: what the large picture of the review shows beside itself."""
