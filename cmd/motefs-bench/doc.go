// Command motefs-bench measures motefs beside the programs that one would
// otherwise use, all of them against the same origins in one run, and prints one
// table. `make bench` runs it.
//
// # Origins
//
// Two, both with the same names and the same bodies of 100 bytes: nginx with its
// defaults on files and pages on disk, and `motefs serve`. Both are on this
// machine and share its cores with whoever asks them.
//
// # Contenders
//
// The ceilings are wrk with 64 connections, one request at a time on each and
// pipelined: what can be asked of that origin by a client that keeps nothing. Then
// the five approaches of the talk "Downloading a Billion Files in Python" (talk/,
// run by Debian's Python), four download programs, and `motefs mirror`. Each gets
// the first files of the listing, as many as take it a few seconds. The talk's
// approaches and motefs follow the listing; the download programs are given the
// names in a file that was made before their time began.
//
// # Figures
//
// Time is that of the whole process, from its start to its end: an interpreter's
// start is in it, and so are opening and closing a store. (Only wrk's is its own
// account, so that making its requests beforehand does not lower the ceiling.) CPU is user and system
// time of the process and of the children that it waited for, without the
// origin's. Memory is the maximum resident set size of the largest single process:
// for a contender of several processes it is not their sum.
//
// Every contender but wrk, which counts good answers itself, is checked after its
// time ended: one file on disk for each name, byte for byte what the origin serves,
// or a store that `motefs verify` finds sound and complete with so many files. One
// that fails that shows "failed", never a rate.
package main
