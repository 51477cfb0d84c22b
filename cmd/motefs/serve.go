package main

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/spf13/cobra"
)

// serveFlags are those of the reference origin.
type serveFlags struct {
	listen      string
	pageSize    int
	latency     time.Duration
	token       string
	cert, key   string
	synthetic   int64
	bodySize    int64
	filesPerDir int64
	shuffle     bool
	compress    bool
	validators  bool

	s3                   bool
	bucket, region       string
	accessKey, secretKey string
	checksums            bool

	changed, removed, added fraction
}

func serveCommand(a *app) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve [flags] [DIR]",
		Short: "Serve a directory, or made-up files, as an origin",
		Long: "Run a reference origin: the files of DIR, or with --synthetic any number of\n" +
			"files whose names and contents are computed, without memory or disk. Of DIR\n" +
			"regular files are served; symbolic links, FIFOs, sockets, devices and empty\n" +
			"directories are not.",
		Example: "  motefs serve --synthetic 1000000\n  motefs serve /var/log\n  motefs serve --s3 /var/log",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				dir = args[0]
			}
			return a.serve(cmd.Context(), f, dir)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.IntVar(&f.pageSize, "page-size", serve.DefaultPageSize, "`names` on one page of the listing")
	flags.DurationVar(&f.latency, "latency", 0, "added to every answer, as a longer wire would")
	flags.StringVar(&f.token, "token", "", "ask for the header 'Authorization: Bearer `TOKEN`'; other users see it, say by ps")
	flags.StringVar(&f.cert, "cert", "", "serve https with this PEM `file` of a certificate; with --key")
	flags.StringVar(&f.key, "key", "", "PEM `file` of the certificate's private key")
	flags.BoolVar(&f.s3, "s3", false, "speak S3 instead of motefs's own protocol")
	flags.StringVar(&f.bucket, "bucket", serve.DefaultBucket, "`name` of the one bucket, with --s3")
	flags.StringVar(&f.region, "region", serve.DefaultRegion, "where the bucket is said to be, with --s3")
	flags.StringVar(&f.accessKey, "access-key", "", "with --s3, ask for requests signed with this access key `ID`; or set AWS_ACCESS_KEY_ID; neither: anyone may ask")
	flags.StringVar(&f.secretKey, "secret-key", "", "its secret `KEY`; other users see it, say by ps, but not AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which do as well")
	flags.BoolVar(&f.checksums, "checksums", true, "with --s3, say the sum of an object to who asks for it; benchmarks go without")
	flags.Int64Var(&f.synthetic, "synthetic", 0, "serve `N` made-up files instead of a directory")
	flags.Int64Var(&f.bodySize, "body-size", serve.DefaultBodySize, "`bytes` of a made-up file")
	flags.Int64Var(&f.filesPerDir, "files-per-dir", 0, "made-up files in one directory; 0: all in the root")
	flags.BoolVar(&f.shuffle, "shuffle", false, "list the made-up files out of order")
	flags.BoolVar(&f.compress, "compressible", false, "make the made-up files of text that compresses well")
	flags.BoolVar(&f.validators, "validators", false, "send ETag and Last-Modified with the made-up files")
	flags.Var(&f.changed, "changed", "how many of the made-up files have changed since they were served without this")
	flags.Var(&f.removed, "removed", "how many of them are gone")
	flags.Var(&f.added, "added", "how many have a new file behind them")
	inGroup(flags, "Made-up files", "synthetic", "body-size", "files-per-dir", "shuffle", "compressible", "validators", "changed", "removed", "added")
	inGroup(flags, "S3", "s3", "bucket", "region", "access-key", "secret-key", "checksums")

	return cmd
}

func (a *app) source(f *serveFlags, dir string) (serve.Source, func() error, error) {
	nothing := func() error { return nil }
	switch {
	case (dir == "") == (f.synthetic == 0):
		return nil, nothing, usagef("give either DIR or --synthetic N")
	case f.synthetic < 0 || f.bodySize < 0 || f.filesPerDir < 0:
		return nil, nothing, usagef("--synthetic, --body-size and --files-per-dir are not negative")
	case f.changed+f.removed > 1:
		return nil, nothing, usagef("--changed and --removed are more than all files together")
	case dir != "":
		tree, err := serve.OpenTree(dir)
		if err != nil {
			return nil, nothing, usagef("%s: %w", dir, wording.Cause(err))
		}
		tree.LeftOut = func(kind, path string) {
			printLine(a.stderr, "motefs: %s are left out, such as %s: an origin has regular files alone", kind, filepath.Join(dir, path))
		}
		tree.Unreadable = func(path string, err error) {
			printLine(a.stderr, "motefs: %s cannot be read, and so the listing fails there: %v", filepath.Join(dir, path), wording.Cause(err))
		}
		return tree, tree.Close, nil
	}
	size := f.bodySize
	if size == 0 {
		size = -1 // the source's word for empty files
	}
	return serve.NewSynthetic(serve.SyntheticOptions{
		Files: f.synthetic, BodySize: size, FilesPerDir: f.filesPerDir, Shuffle: f.shuffle, Compressible: f.compress,
		Validators: f.validators, S3ETags: f.s3,
		Edition: serve.SyntheticEdition{Changed: float64(f.changed), Removed: float64(f.removed), Added: float64(f.added)},
	}), nothing, nil
}

func (a *app) serve(ctx context.Context, f *serveFlags, dir string) (err error) {
	outliveOutput()
	if err := wording.Address("--listen", f.listen); err != nil {
		return usageError{err}
	}
	source, closeSource, err := a.source(f, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	o := serve.Options{Addr: f.listen, PageSize: f.pageSize, ListLatency: f.latency, GetLatency: f.latency, Token: f.token}
	switch {
	case (f.cert == "") != (f.key == ""):
		return usagef("https needs both --cert and --key")
	case f.cert != "":
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return usagef("--cert %s, --key %s: %w", f.cert, f.key, err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	if o.S3, err = f.s3Options(); err != nil {
		return err
	}
	if err := o.EnsureDefaults().Validate(); err != nil {
		return usagef("%w", err)
	}
	server, err := serve.Open(o, source)
	switch {
	case errors.Is(err, serve.ErrUnordered):
		return usagef("%w", err)
	case err != nil:
		return wording.ListenError("--listen", f.listen, err)
	}
	if o.S3 != nil {
		printLine(a.stdout, "motefs: S3 at %s, bucket %s, region %s, %s; stop it with Ctrl-C", server.URL(), f.bucket, f.region, whoMayAsk(o.S3))
	} else {
		printLine(a.stdout, "motefs: origin at %s; stop it with Ctrl-C", server.URL())
	}
	return server.Run(ctx)
}

// s3Options are nil without --s3.
func (f *serveFlags) s3Options() (*serve.S3Options, error) {
	if !f.s3 {
		if f.accessKey != "" || f.secretKey != "" {
			return nil, usagef("--access-key and --secret-key go with --s3")
		}
		return nil, nil
	}
	o := &serve.S3Options{Bucket: f.bucket, Region: f.region, AccessKey: f.accessKey, SecretKey: f.secretKey, NoSums: !f.checksums}
	if o.AccessKey == "" {
		o.AccessKey = os.Getenv("AWS_ACCESS_KEY_ID")
	}
	if o.AccessKey == "" && o.SecretKey == "" {
		return o, nil
	}
	if o.SecretKey == "" {
		o.SecretKey, o.SessionToken = os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
	}
	if o.AccessKey == "" || o.SecretKey == "" {
		return nil, usagef("give an access key and its secret, by --access-key and --secret-key or by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return o, nil
}

// whoMayAsk says how requests must be signed.
func whoMayAsk(o *serve.S3Options) string {
	if o.AccessKey == "" {
		return "for anyone"
	}
	return "signed with " + o.AccessKey
}
