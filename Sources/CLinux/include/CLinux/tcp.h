// SPDX-License-Identifier: Apache-2.0
// The kernel's <linux/tcp.h> under names of our own: module SwiftGlibc has other definitions of the same structures, from
// <netinet/tcp.h>, without the newer fields of tcp_info, and a clean build refuses to merge the two.
#pragma once
#define tcp_ca_state clinux_tcp_ca_state
#define tcp_info clinux_tcp_info
#define tcp_md5sig clinux_tcp_md5sig
#define tcp_repair_opt clinux_tcp_repair_opt
#define tcp_repair_window clinux_tcp_repair_window
#define tcp_zerocopy_receive clinux_tcp_zerocopy_receive
#define tcphdr clinux_tcphdr
#define TCP_CA_CWR clinux_TCP_CA_CWR
#define TCP_CA_Disorder clinux_TCP_CA_Disorder
#define TCP_CA_Loss clinux_TCP_CA_Loss
#define TCP_CA_Open clinux_TCP_CA_Open
#define TCP_CA_Recovery clinux_TCP_CA_Recovery
#define TCP_NO_QUEUE clinux_TCP_NO_QUEUE
#define TCP_QUEUES_NR clinux_TCP_QUEUES_NR
#define TCP_RECV_QUEUE clinux_TCP_RECV_QUEUE
#define TCP_SEND_QUEUE clinux_TCP_SEND_QUEUE
#include <linux/tcp.h>
#undef TCP_CA_CWR
#undef TCP_CA_Disorder
#undef TCP_CA_Loss
#undef TCP_CA_Open
#undef TCP_CA_Recovery
#undef TCP_NO_QUEUE
#undef TCP_QUEUES_NR
#undef TCP_RECV_QUEUE
#undef TCP_SEND_QUEUE
#undef tcp_ca_state
#undef tcp_info
#undef tcp_md5sig
#undef tcp_repair_opt
#undef tcp_repair_window
#undef tcp_zerocopy_receive
#undef tcphdr
