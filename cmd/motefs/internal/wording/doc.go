// Package wording has what the program says of mistakes in its command line: what is
// wrong, with which word of it, and what to write instead. It knows no origin and no
// store, and it never shows what may be a secret: the operands of a command, or the
// rest of a URL that has user-info or a query.
package wording
