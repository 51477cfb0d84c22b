// Package nginx runs an nginx on this machine for benchmarks and tests.
package nginx
