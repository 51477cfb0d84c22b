package origintest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// S3Refusal is the fault of a server that refuses with that status and code of S3, such as
// 503 and "SlowDown".
func S3Refusal(status int, code string) Fault {
	refusal := serve.S3Error{Status: status, Code: code, Message: "refused by the test"}
	return Fault{Status: status, Body: refusal.AppendXML(nil), Header: map[string]string{"Content-Type": "application/xml"}}
}

// SignS3 signs a request the long way, by net/http and net/url, for the sum of the body
// that it says, or none. It is not made from what the server checks with.
func SignS3(r *http.Request, k sigv4.Key, at time.Time) {
	r.Header.Set("X-Amz-Date", at.UTC().Format("20060102T150405Z"))
	if r.Header.Get("X-Amz-Content-Sha256") == "" {
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	}
	if k.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", k.SessionToken)
	}
	names := []string{"host"}
	for name := range r.Header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	var fields strings.Builder
	for _, name := range names {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		for i := range values {
			values[i] = strings.Join(strings.Fields(values[i]), " ")
		}
		fmt.Fprintf(&fields, "%s:%s\n", name, strings.Join(values, ","))
	}
	elems := strings.Split(r.URL.Path, "/")
	for i := range elems {
		elems[i] = strictEscape(elems[i])
	}
	params := strings.Split(strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"), "&")
	slices.SortFunc(params, func(a, b string) int { // by names as they are encoded, then by values
		return slices.Compare(strings.SplitN(a, "=", 2), strings.SplitN(b, "=", 2))
	})
	canonical := strings.Join([]string{
		r.Method, strings.Join(elems, "/"), strings.Join(params, "&"),
		fields.String(), strings.Join(names, ";"), r.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	scope := strings.Join([]string{at.UTC().Format("20060102"), k.Region, "s3", "aws4_request"}, "/")
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + k.SecretKey)
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", k.AccessKey, scope, strings.Join(names, ";"), key))
}

func strictEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
