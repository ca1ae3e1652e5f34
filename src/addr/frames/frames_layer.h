/* frames_layer.h - datagrams in a stream: their borders are kept */
#ifndef ADDR_FRAMES_FRAMES_LAYER_H
#define ADDR_FRAMES_FRAMES_LAYER_H

#include "open/addr_type.h"

extern const struct layer_type frames_layer;

#endif
