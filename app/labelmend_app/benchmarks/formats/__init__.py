"""`labelmend bench formats`: time and memory of reading and writing annotations of many images."""
