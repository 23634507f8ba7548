"""The server: forked workers behind one listening socket, or threads, with scheduled actions beside them."""
