"""Channel between the devices and the server: gains, block fading, path loss, and the CSI of the
server.
"""
