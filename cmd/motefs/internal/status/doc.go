// Package status says what a motefs is doing: one object, Status, which the socket in a
// store serves, and `motefs status`, `mirror --json`, progress, metrics and the page show.
//
// A Source gathers it from counters that the store, the engine and the mount keep anyway.
// It costs nothing for a file, and nothing while nobody asks but one sample of the counts a
// second. What has to be searched for (the failed files by their reasons, the disk's usage)
// is found in the background when it is asked for, and then not again before a hundred
// times as long has passed as that took.
//
// A Server is HTTP on a Unix socket in the store's directory, for its owner alone.
package status
