// Package origin is the list-and-get protocol of the mirrored service, on package
// wire: it lists the service page by page and gets its files, by package files. Client is a
// mirror.Lister, a mirror.ConditionalLister, a mirror.Fetcher and a mirror.RangeFetcher.
//
// A service that writes its listing in other words, or has its files elsewhere, is
// described by a Layout. Pages in other words go through a wordSkimmer, those of the
// protocol through a skimmer of its own, which is faster.
//
// # Invariants
//
//   - The markers and ETags of a listing in other words begin with a tag that is made of
//     these words. Those of one listing are refused, or not sent, by another.
//   - A next page that is said as a whole URL is asked for at the base's host; one of
//     another host ends the listing. What says that there is no next page takes back
//     none that the page says too.
//   - Names are percent-encoded byte by byte and never cleaned: "a//b" and
//     "a/../b" reach the origin as they stand.
//   - A redirect is followed to the same host, and to a path that ends in the same
//     name: /login is not the file.
//   - A page may come on a connection that was used before. It is believed by what
//     it says: one that leads to itself, or is no page, is asked for again on a
//     connection of its own. A 304 says only its ETag. It is believed as the first
//     response of its connection, or with the ETag that was sent, which ties it to its
//     page as long as no other late response can have that: an ETag that was sent for
//     another page lately, or any condition on a file, has the page be asked for on a
//     connection of its own.
//   - A page is skimmed as it comes, for its marker, and its names are decoded
//     later, in pieces. A name that cannot be decoded is left out and told; what
//     breaks the page's structure ends the listing.
package origin
