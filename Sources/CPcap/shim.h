// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pcap/pcap.h>
#include <pcap/sll.h>
