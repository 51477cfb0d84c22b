// Command motefs-bench measures motefs beside the programs that one would
// otherwise use, all of them against the same origins in one run, and prints one
// table. `make bench` runs it.
//
// The origins serve the same names and bodies of 100 bytes: nginx with its defaults
// on files and pages on disk, and `motefs serve`. Both are on this machine and share
// its cores with whoever asks them. The ceilings are wrk, one request at a time on
// each connection and pipelined: what a client gets that keeps nothing. Then the
// five approaches of the talk "Downloading a Billion Files in Python" (talk.py, run
// by Debian's Python), four download programs, and `motefs mirror`. Each gets the
// first files of the listing, as many as take it a few seconds.
//
// Two more origins speak S3: `motefs serve --s3`, and versitygw, somebody else's, with
// files on disk in folders of 1,000. Who copies a bucket takes all of it, so slow
// programs have a smaller one; all requests are signed. Two rows of a `motefs serve --s3`
// that takes 50 ms for each response compare one lister with eight.
//
// Time is that of the whole process: an interpreter's start is in it, and so are
// opening and closing a store. (Only wrk's is its own account, so that making its
// requests beforehand does not lower the ceiling.) CPU and memory are what
// child.Usage says: not the origin's, and not the sum of several processes.
//
// Every contender but wrk, which counts good answers itself, is checked: one file on
// disk for each name, byte for byte what the origin serves, or a store that `motefs
// verify` finds complete with so many files. A row of which one run failed shows
// "failed", never a rate.
//
// `motefs-bench mount`, which `make bench-mount` runs, measures what programs get
// from a mount. Beside motefs stand the floor (package floor, go-fuse with nothing
// behind it), the same files on the disk's own filesystem, and two programs that
// mount what a web server lists. The origin is gone once its files are in the store.
// Every filesystem and every reader is a process of its own. The readers are hidden
// commands of this program that make system calls and nothing else; they fail unless
// they find as many files and bytes as there are, and after the time some files are
// compared with the origin's. With -store an existing store is measured instead,
// however large: only the rows of motefs, with files picked at random.
package main
