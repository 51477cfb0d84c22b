// Package files gets files by their names, on package wire, for every protocol in which
// a file has a target of its own. Getter is a mirror.Fetcher and a mirror.RangeFetcher.
//
// # Invariants
//
//   - A file of which the caller knows a version is asked for on the condition that
//     there is another: by its ETag, weak or strong, else by its time. Redirects keep
//     the condition. A 304 is proven as any response (see package wire), counts only
//     where there was a condition, and not where it tells of another version: then,
//     and where its framing is broken, the file is asked for without. Only what is one
//     well-formed ETag is sent.
//   - A part of a file is believed only if it says which part it is, and of which
//     version.
package files
