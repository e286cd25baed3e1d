"""What runs inside the jail: the standard library and these files are all there is.

Nothing here may import anything but its neighbours and the standard library.
"""
