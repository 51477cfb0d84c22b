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
// the five approaches of the talk "Downloading a Billion Files in Python" (talk.py,
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
//
// # Mounts
//
// `motefs-bench mount`, which `make bench-mount` runs, measures what programs get
// from a mount: opening, reading and closing random files, listing, ls, the time
// until a mount is ready, its memory, and reading a large file. Beside motefs stand
// the floor (package floor, go-fuse with nothing behind it), the same files on the
// disk's own filesystem, and two programs that mount what a web server lists. The
// origin is `motefs serve`, and it is gone once its files are in the store.
//
// Every filesystem and every reader is a process of its own: a Go process must not
// touch a mount that it serves (golang/go#21014). The readers are hidden commands of
// this program (helpers) that make system calls and nothing else; they fail unless
// they find as many files and bytes as there are, and after the time some files are
// compared with the origin's. How the figures are defined stands below the table.
//
// With -store an existing store is measured instead, however large: only the rows of
// motefs, with files that one listing of the mount picks at random.
package main
