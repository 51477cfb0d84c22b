package main

import (
	_ "github.com/cenkalti/backoff/v5"
	_ "github.com/hanwen/go-fuse/v2/fuse"
	_ "github.com/spf13/cobra"
	_ "github.com/valyala/fasthttp"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/singleflight"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/time/rate"
)

func main() {}
