// Package namelist lists the files of an origin by a list of names: a file or a stream,
// plain, gzip or Zstandard, with a name on each line or before each NUL. Lister is a
// mirror.Lister.
//
// # Words
//
// The text is the list without its compression. A name is a line of it, without the
// line feed and one carriage return before that, or what stands between two NULs: byte
// for byte the origin's name, "a//b", "/a", "./a" and ".." too. Empty lines are none. A
// line that begins with a scheme and "://" is a URL: its name is what comes behind
// Options.Files, with percent-encoding undone.
//
// # Canonical URLs
//
// A file is asked for by its name, and a client encodes names in one way of its own. So a
// URL is taken if it differs from what is asked for in nothing but which bytes are
// percent-encoded, and in the case of these digits: "/a,b" and "/a%2cb" are one file
// (RFC 3986 sections 2.4 and 6.2.2; a server that tells them apart cannot be mirrored by URLs). What
// would not come out as it went in is left out and told: a slash that is encoded, "."
// and ".." components that are not, a query, a fragment, user-info, a "%" that begins no
// escape, and what is not below Options.Files.
//
// # Invariants
//
//   - The marker of a page is an offset into the text, and the xxhash of all before it.
//     It stands behind a separator. A list that is another one before its checkpoint is
//     noticed, and its marker refused (ErrChanged); what was appended since is listed.
//   - Pages that are asked for in order are read once. To begin at a marker is to read
//     and hash all before it, at most once for each opening of the list.
//   - The last page is only handed out where the list ended as its compression says, and
//     the file is the one that was opened, with the same length and time.
//   - What can be read once (a pipe) is read forwards only.
//   - Memory: a page has pageBytes of text; a longer line is skipped as it comes.
package namelist
