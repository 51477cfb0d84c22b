// Package daemon has a command go on in the background once it serves.
//
// Go programs cannot fork. So the process starts itself again, with the same arguments
// and a pipe on which the other, the daemon, says what it is doing, that it serves, or
// in one line why it does not. The one who started it waits for that: whoever runs
// it sees an error where there is one, and finds everything ready where there is none.
//
// The daemon leaves the session and the process group only once it serves. Until then
// it ends with Ctrl-C as any program does, and an automounter, which lets only its own
// process group into a mountpoint that is being mounted, lets it in.
package daemon
