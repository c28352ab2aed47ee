/* Every picture format, in the order in which their signatures are tried. */
PC_IMAGE_DECODER(jpeg)
PC_IMAGE_DECODER(png)
