// Package clustertest has tests of many processes that make one mirror in segments: the program
// itself, three servers of NATS and an S3 server of somebody else's, each a process, which are
// killed, stopped and cut off from each other.
package clustertest
