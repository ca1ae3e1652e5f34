/* proxy_layers.h - layers that have a server in between connect to a target, and leave */
#ifndef ADDR_PROXY_PROXY_LAYERS_H
#define ADDR_PROXY_PROXY_LAYERS_H

#include "open/addr_type.h"

extern const struct layer_type socks4_layer, socks4a_layer, socks5_layer;
extern const struct layer_type socks5_bind_layer; /* the server waits to be connected */
extern const struct layer_type proxy_layer; /* HTTP, method CONNECT */

#endif
