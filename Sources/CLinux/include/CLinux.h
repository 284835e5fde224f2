// SPDX-License-Identifier: Apache-2.0
// What module Glibc lacks: kernel headers, function-like macros, and system calls behind _GNU_SOURCE.
// No logic here, and never a `#define _GNU_SOURCE`: module SwiftGlibc's types would differ.
#pragma once
// What Swift's Glibc module declares belongs to it alone. Otherwise each such type is declared twice, and which module
// Swift counts it to depends on the order of the files it compiles.
#ifdef __swift__
#pragma clang module import SwiftGlibc
#endif
#include "CLinux/sockets.h"
#include "CLinux/namespaces.h"
#include "CLinux/netlink.h"
#include "CLinux/raw.h"
