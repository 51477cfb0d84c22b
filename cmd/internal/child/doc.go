// Package child runs the programs that a benchmark has beside it.
package child
