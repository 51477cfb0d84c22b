package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// s3Environment is what whoever asks or serves S3 finds in its environment: keys that
// are good on this machine alone, and none of the user's own.
var s3Environment = map[string]string{
	"AWS_ACCESS_KEY_ID": versitygw.AccessKey, "AWS_SECRET_ACCESS_KEY": versitygw.SecretKey,
	"AWS_REGION": versitygw.Region, "AWS_DEFAULT_REGION": versitygw.Region,
	"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
}

func setS3Environment() (err error) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			err = errors.Join(err, os.Unsetenv(name))
		}
	}
	for name, value := range s3Environment {
		err = errors.Join(err, os.Setenv(name, value))
	}
	return err
}

// s3Contenders are those that ask an S3 server. All of them list its one bucket and
// copy all that is there, but for wrk, which has one object again and again.
func s3Contenders() []contender {
	const object, signed = "/" + serve.DefaultBucket + "/{first}", "-H {authorization} -H {date} -H {sum}"
	tool := func(name string, files int64, needs program, command string) contender {
		return contender{name: name, keeps: "a file each", check: checkFiles, files: files, all: true, needs: []program{needs}, command: command}
	}
	return []contender{
		wrk(keepAlive, 1, object, signed),
		wrk(pipelined, pipelineDepth, object, signed),
		s3Mirror("", ""),
		s3Mirror(", not pipelined", fmt.Sprintf("--pipeline off --connections %d", ceilingConnections)),
		// Without use-server-modtime it would ask for each object twice.
		tool("rclone copy", 20_000, rcloneProgram,
			"rclone copy --config /dev/null --quiet --s3-provider Other --s3-env-auth --s3-endpoint {url} --s3-list-version 2 --use-server-modtime "+
				"--no-traverse --no-check-dest --transfers {transfers} --checkers {transfers} :s3:motefs {out}"),
		tool("s5cmd cp", 20_000, s5cmdProgram, "s5cmd --log error --endpoint-url {url} cp s3://motefs/* {out}/"),
		tool("aws s3 cp", 2_000, awsProgram, "aws s3 cp --recursive --only-show-errors --endpoint-url {url} s3://motefs {out}"),
		tool("s3cmd get", 2_000, s3cmdProgram,
			"s3cmd get --recursive --config /dev/null --quiet --no-progress --no-ssl --host {host} --host-bucket {host} s3://motefs/ {out}"),
	}
}

func s3Mirror(name, flags string) contender {
	return contender{
		name: "motefs mirror" + name, keeps: "a store", check: checkStore, files: math.MaxInt64,
		command: "{motefs} mirror --store {out} --endpoint-url {url} " + flags + " s3://" + serve.DefaultBucket,
	}
}

// s3Listers are for a server that is far away, so that listing is what takes time.
func s3Listers() []contender {
	return []contender{s3Mirror(", 1 lister", "--listers 1"), s3Mirror(", 8 listers", "--listers 8")}
}

// s3Words are words for one signed request for the first file, which servers take for a
// quarter of an hour, and for those who do not want a URL.
func s3Words(ctx context.Context, j *job) ([]string, error) {
	const sum = "UNSIGNED-PAYLOAD"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url+"/"+serve.DefaultBucket+"/"+j.source.Name(0), http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Amz-Content-Sha256", sum)
	keys := aws.Credentials{AccessKeyID: versitygw.AccessKey, SecretAccessKey: versitygw.SecretKey}
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, sum, "s3", versitygw.Region, time.Now()); err != nil {
		return nil, err
	}
	words := []string{"{host}", r.Host, "{first}", j.source.Name(0)}
	for word, name := range map[string]string{"{authorization}": "Authorization", "{date}": "X-Amz-Date", "{sum}": "X-Amz-Content-Sha256"} {
		words = append(words, word, name+": "+r.Header.Get(name))
	}
	return words, nil
}

// startVersitygw serves the files of a source as the objects of a bucket.
func (b *bench) startVersitygw(ctx context.Context, dir string, j *job) (made, error) {
	url, stop, err := versitygw.Start(ctx, dir)
	if errors.Is(err, versitygw.ErrMissing) {
		err = fmt.Errorf("%w: %w", errNotInstalled, err)
	}
	if err != nil {
		return made{}, err
	}
	for i := range j.source.Len() {
		path := filepath.Join(dir, serve.DefaultBucket, j.source.Name(i))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, j.source.Body(i), 0o644)
		}
		if err != nil {
			stop()
			return made{}, fmt.Errorf("write the objects for versitygw: %w", err)
		}
	}
	b.sync() // writing them back is not a contender's work
	return made{url, stop}, nil
}
