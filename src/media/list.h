/* Every picture format, in the order in which their signatures are tried. The build leaves out what it has no library for. */
PC_IMAGE_DECODER(jpeg)
PC_IMAGE_DECODER(png)
#ifdef PERCEPT_HAVE_WEBP
PC_IMAGE_DECODER(webp)
#endif
PC_IMAGE_DECODER(gif)
PC_IMAGE_DECODER(bmp)
#ifdef PERCEPT_HAVE_TIFF
PC_IMAGE_DECODER(tiff)
#endif
#ifdef PERCEPT_HAVE_HEIF
PC_IMAGE_DECODER(heif)
#endif
