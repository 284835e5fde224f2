// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <linux/capability.h>

// capget(2) and capset(2) have no wrappers in glibc; the header of libcap would be a dependency for two calls.
int clinux_capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data);
int clinux_capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
