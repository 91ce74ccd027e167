"""Channel between devices and server: gains, block fading, path loss, CSI of the server."""
