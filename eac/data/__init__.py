"""Numbers in, tensors out: graphs, periods, streams, their readers, windows and scaling."""
