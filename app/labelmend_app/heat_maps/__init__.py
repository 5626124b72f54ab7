"""Where the network of a run sees a class in an image: made when it is asked for, by a process beside the server."""
