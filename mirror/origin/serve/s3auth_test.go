package serve_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// s3Sign returns the header fields that sign a GET of that target, in pairs.
func s3Sign(target, region, access, secret, token string, at time.Time, more ...string) (header []string) {
	r, err := http.NewRequest(http.MethodGet, "http://origin"+target, http.NoBody)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	origintest.SignS3(r, sigv4.Key{AccessKey: access, SecretKey: secret, SessionToken: token, Region: region}, at)
	for name, values := range r.Header {
		header = append(header, name, values[0])
	}
	return header
}

func TestS3Signatures(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{AccessKey: "AK", SecretKey: "SK", SessionToken: "ST", Region: "eu-west-1"}}, s3Files())
	now := time.Now()
	const get, list = "/motefs/a%20b", "/motefs?list-type=2&max-keys=1"
	right := s3Sign(get, "eu-west-1", "AK", "SK", "ST", now)
	for name, test := range map[string]struct {
		target string
		header []string
		status int
		says   string
	}{
		"right":        {get, right, 200, "body of a b"},
		"list":         {list, s3Sign("/motefs?list-type=2&max-keys=1", "eu-west-1", "AK", "SK", "ST", now), 200, "<Key>"},
		"absolute":     {"http://origin" + get, right, 200, "body of a b"},
		"anonymous":    {get, nil, 403, "AccessDenied"},
		"secret":       {get, s3Sign(get, "eu-west-1", "AK", "SX", "ST", now), 403, "SignatureDoesNotMatch"},
		"another key":  {"/motefs/a", right, 403, "<CanonicalRequest>GET&#xA;/motefs/a&#xA;"},
		"access key":   {get, s3Sign(get, "eu-west-1", "AX", "SK", "ST", now), 403, "InvalidAccessKeyId"},
		"region":       {get, s3Sign(get, "us-east-1", "AK", "SK", "ST", now), 400, "<Region>eu-west-1</Region>"},
		"region code":  {get, s3Sign(get, "us-east-1", "AK", "SK", "ST", now), 400, "AuthorizationHeaderMalformed"},
		"token":        {get, s3Sign(get, "eu-west-1", "AK", "SK", "SX", now), 400, "InvalidToken"},
		"no token":     {get, s3Sign(get, "eu-west-1", "AK", "SK", "", now), 400, "InvalidToken"},
		"a day ago":    {get, s3Sign(get, "eu-west-1", "AK", "SK", "ST", now.Add(-24*time.Hour)), 403, "RequestTimeTooSkewed"},
		"14 min ago":   {get, s3Sign(get, "eu-west-1", "AK", "SK", "ST", now.Add(-14*time.Minute)), 200, "body of a b"},
		"16 min ahead": {get, s3Sign(get, "eu-west-1", "AK", "SK", "ST", now.Add(16*time.Minute)), 403, "<ServerTime>"},
		"payer":        {get, append([]string{"x-amz-request-payer", "requester"}, right...), 403, "not signed"},
	} {
		resp, body := rawhttp.Ask(t, s.Addr(), "GET", test.target, test.header...)
		if resp.StatusCode != test.status || !strings.Contains(body, test.says) {
			t.Errorf("%s: %+v %s, want %d %s", name, resp, body, test.status, test.says)
		}
	}
	if n := s.Counts(); n.Gets != 3 || n.Lists != 1 {
		t.Errorf("refused requests are counted as asked: %+v", n)
	}
	for _, o := range []serve.S3Options{{AccessKey: "a"}, {SecretKey: "s"}, {SessionToken: "t"}} {
		if err := (serve.Options{S3: &o}).EnsureDefaults().Validate(); err == nil {
			t.Errorf("%+v is valid", o)
		}
	}
}

func TestS3RequesterPays(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{RequesterPays: true}}, s3Files())
	for _, target := range []string{"/motefs/a", "/motefs?list-type=2"} {
		if resp, body := rawhttp.Ask(t, s.Addr(), "GET", target); resp.StatusCode != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
			t.Errorf("%s: %+v %s", target, resp, body)
		}
		if resp, body := rawhttp.Ask(t, s.Addr(), "GET", target, "x-amz-request-payer", "requester"); resp.StatusCode != 200 {
			t.Errorf("%s, paid: %+v %s", target, resp, body)
		}
	}
}
