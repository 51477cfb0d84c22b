package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

const pageHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`

func contents(key, size, more string) string {
	return "<Contents><Key>" + key + "</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9&quot;</ETag><Size>" + size + "</Size>" + more + "</Contents>"
}

// whole has a page that does not say whether there is more say that there is not.
func whole(raw string) string {
	end := strings.LastIndex(raw, "</")
	if strings.Contains(raw, "IsTruncated") || end < 0 {
		return raw
	}
	return raw[:end] + "<IsTruncated>false</IsTruncated>" + raw[end:]
}

// TestPages decodes pages as servers write them.
func TestPages(t *testing.T) {
	listed := func(name string, size int64) mirror.Listed {
		return mirror.Listed{Name: name, Size: size, ModTime: 1255369830, ETag: `"fba9"`}
	}
	for what, c := range map[string]struct {
		raw, prefix string
		want        []mirror.Listed
		token       string
		unsorted    bool
	}{
		"none":                                 {raw: pageHead + `<Name>b</Name><Prefix/><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`},
		"one, and a token":                     {raw: pageHead + "<IsTruncated>true</IsTruncated><NextContinuationToken>1/+=&amp;</NextContinuationToken>" + contents("a b", "7", "<StorageClass>STANDARD</StorageClass>") + "</ListBucketResult>", want: []mirror.Listed{listed("a b", 7)}, token: "1/+=&"},
		"the token behind":                     {raw: pageHead + contents("a", "0", "") + contents("b", "1", "") + "<NextContinuationToken>t</NextContinuationToken><IsTruncated>true</IsTruncated></ListBucketResult>\n", want: []mirror.Listed{listed("a", 0), listed("b", 1)}, token: "t"},
		"a token at the end of the listing":    {raw: pageHead + "<NextContinuationToken>t</NextContinuationToken><IsTruncated>false</IsTruncated></ListBucketResult>"},
		"encoded":                              {raw: pageHead + contents("a%2Fb%3C+%C3%BC%00%25", "1", "") + "<EncodingType>url</EncodingType></ListBucketResult>", want: []mirror.Listed{listed("a/b< ü\x00%", 1)}},
		"not encoded":                          {raw: pageHead + contents("a+%41", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("a+%41", 1)}},
		"a key that looks like what it is not": {raw: pageHead + contents("<![CDATA[EncodingType>url<]]>%41", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("EncodingType>url<%41", 1)}},
		"entities":                             {raw: pageHead + contents("&lt;&amp;amp;&#65;&#x42;&apos;&gt;", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("<&amp;AB'>", 1)}},
		"an owner, a restore status":           {raw: pageHead + contents("a", "1", "<Owner><ID>1</ID><DisplayName/></Owner><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>") + "</ListBucketResult>", want: []mirror.Listed{listed("a", 1)}},
		"a prefix of names, comments, attributes":                 {raw: `<?xml version="1.0"?><!-- <a> --><s3:ListBucketResult xmlns:s3='x>y' ><s3:Contents a="/>"><s3:Key>k<!-- no > -->l</s3:Key><s3:Size>5</s3:Size></s3:Contents></s3:ListBucketResult>`, want: []mirror.Listed{{Name: "kl", Size: 5}}},
		"a directory marker, and a file that only looks like one": {raw: pageHead + contents("d/", "0", "") + contents("d/e/", "3", "") + "</ListBucketResult>", want: []mirror.Listed{listed("d/e/", 3)}},
		"no size, time and ETag that can be used":                 {raw: pageHead + "<Contents><Key>a</Key><LastModified>yesterday</LastModified><ETag></ETag><Size>many</Size></Contents></ListBucketResult>", want: []mirror.Listed{{Name: "a", Size: -1}}},
		"an ETag without quotes":                                  {raw: pageHead + "<Contents><Key>a</Key><ETag>d41d-2</ETag><Size>5497558138880</Size></Contents></ListBucketResult>", want: []mirror.Listed{{Name: "a", Size: 5 << 40, ETag: `"d41d-2"`}}},
		"an ETag that is none":                                    {raw: pageHead + "<Contents><Key>a</Key><ETag>a&quot;b</ETag></Contents></ListBucketResult>", want: []mirror.Listed{{Name: "a", Size: -1}}},
		"other times":                                             {raw: pageHead + "<Contents><Key>a</Key><LastModified>2009-10-12T17:50:30Z</LastModified></Contents><Contents><Key>b</Key><LastModified>2009-10-12T19:50:30.5+02:00</LastModified></Contents></ListBucketResult>", want: []mirror.Listed{{Name: "a", Size: -1, ModTime: 1255369830}, {Name: "b", Size: -1, ModTime: 1255369830}}},
		"a prefix":                                                {prefix: "p/", raw: pageHead + contents("p/", "0", "") + contents("p/a", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("a", 1)}},
		"no order":                                                {raw: pageHead + contents("b", "1", "") + contents("a", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("b", 1), listed("a", 1)}, unsorted: true},
		"twice":                                                   {raw: pageHead + contents("a", "1", "") + contents("a", "1", "") + "</ListBucketResult>", want: []mirror.Listed{listed("a", 1), listed("a", 1)}, unsorted: true},
	} {
		p, err := decodePage([]byte(whole(c.raw)), c.prefix, nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if len(p.objects)+len(c.want) > 0 && !reflect.DeepEqual(p.objects, c.want) || p.token != c.token || p.sorted == c.unsorted {
			t.Errorf("%s: %+v\nwant %+v", what, p, c.want)
		}
	}
}

// TestNoPages refuses what is no page, and any page that is cut short.
func TestNoPages(t *testing.T) {
	good := pageHead + "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>" + contents("a", "1", "") + contents("b", "1", "<Owner><ID>x</ID></Owner>") + "<EncodingType>url</EncodingType></ListBucketResult>"
	if _, err := decodePage([]byte(good), "", nil); err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"": "", "HTML": "<!DOCTYPE html><html><body>log in</body></html>", "JSON": `{"FileNames": []}`, "text": "hello",
		"another document": "<ListAllMyBucketsResult></ListAllMyBucketsResult>", "an end": "</ListBucketResult>",
		"version 1": pageHead + "<IsTruncated>true</IsTruncated><NextMarker>b</NextMarker></ListBucketResult>",
		"nothing":   "<ListBucketResult/>", "no end told": pageHead + contents("a", "1", "") + "</ListBucketResult>",
		"another end told": pageHead + "<IsTruncated>True</IsTruncated></ListBucketResult>",
		"no key":           pageHead + "<Contents><Size>1</Size></Contents></ListBucketResult>",
		"another end":      pageHead + contents("a", "1", "") + "</ListBucket>",
		"an open key":      pageHead + "<Contents><Key>a</Contents></ListBucketResult>",
		"bad encoding":     pageHead + contents("a%4", "1", "") + "<EncodingType>url</EncodingType></ListBucketResult>",
		"bad entity":       pageHead + contents("a&nbsp;", "1", "") + "</ListBucketResult>",
		"no end of it":     pageHead + contents("a&amp", "1", "") + "</ListBucketResult>",
		"no character":     pageHead + contents("a&#xD800;", "1", "") + "</ListBucketResult>",
		"another prefix":   pageHead + contents("other", "1", "") + "</ListBucketResult>",
	}
	for what, raw := range bad {
		if !strings.Contains(what, "end told") && what != "nothing" {
			raw = whole(raw)
		}
		prefix := ""
		if what == "another prefix" {
			prefix = "p/"
		}
		if _, err := decodePage([]byte(raw), prefix, nil); !errors.Is(err, mirror.ErrListing) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range len(good) {
		if p, err := decodePage([]byte(good[:n]), "", nil); err == nil {
			t.Fatalf("the first %d bytes are a page: %+v", n, p)
		}
	}
	_, err := decodePage([]byte("<Error><Code>InternalError</Code><Message>later</Message></Error>"), "", nil)
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Code != "InternalError" {
		t.Errorf("an error with status 200: %v", err)
	}
}

type oraclePage struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           string
	NextContinuationToken string
	EncodingType          string
	Contents              []struct{ Key, LastModified, ETag, Size string }
}

// FuzzPage finds nothing in a page that encoding/xml does not find.
func FuzzPage(f *testing.F) {
	for _, raw := range []string{
		pageHead + contents("a", "1", "") + "</ListBucketResult>", `<ListBucketResult/>`,
		pageHead + "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>" + contents("a&amp;%20", "1", "<Owner><ID>x</ID></Owner>") + "<EncodingType>url</EncodingType></ListBucketResult>",
		`<a:ListBucketResult a="b>"><!-- x --><a:Contents><a:Key><![CDATA[<>]]></a:Key></a:Contents></a:ListBucketResult>`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodePage(raw, "", nil)
		if err != nil {
			return
		}
		var want oraclePage
		if xml.Unmarshal(raw, &want) != nil {
			return // it is laxer
		}
		if p.keys != len(want.Contents) {
			t.Fatalf("%d keys, want %d: %q", p.keys, len(want.Contents), raw)
		}
		i := 0
		for _, o := range want.Contents {
			key := []byte(o.Key)
			if want.EncodingType == "url" {
				key, _ = unescape(nil, key)
			}
			if i < len(p.objects) && p.objects[i].Name == string(key) {
				i++
			} else if len(key) > 0 && key[len(key)-1] != '/' {
				t.Fatalf("%q is not found: %+v", key, p.objects)
			}
		}
		if i != len(p.objects) {
			t.Fatalf("%d of %d objects are none: %q", len(p.objects)-i, len(p.objects), raw)
		}
	})
}

// TestObjectsOfAllForms has pages of objects that are written in one way or another, by a
// seed: what the ones before looked like is only to make it quick.
func TestObjectsOfAllForms(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	between := func() string { return []string{"", "", "", "\n  ", "<!-- <Key>no</Key> -->"}[rnd.IntN(5)] }
	element := func(name, text string) string {
		switch rnd.IntN(8) {
		case 0:
			return fmt.Sprintf("<s:%s>%s</s:%s>", name, text, name)
		case 1:
			return fmt.Sprintf("<%s a='<>'>%s</%s >", name, text, name)
		}
		return fmt.Sprintf("<%s>%s</%s>", name, text, name)
	}
	for range 300 {
		raw, want := pageHead+"<IsTruncated>false</IsTruncated>", []mirror.Listed{}
		for i := range 20 {
			o := mirror.Listed{Name: fmt.Sprintf("key%02d", i), Size: int64(rnd.IntN(100)), ModTime: 1255369830}
			parts := []string{element("Key", o.Name), element("Size", fmt.Sprint(o.Size)), element("LastModified", "2009-10-12T17:50:30.000Z")}
			if rnd.IntN(3) == 0 {
				parts = append(parts, element("Owner", "<Key>no</Key><Size>7</Size>"), "<Other/>")
			}
			if rnd.IntN(3) == 0 {
				rnd.Shuffle(len(parts), func(i, k int) { parts[i], parts[k] = parts[k], parts[i] })
			}
			raw += "<Contents>"
			for _, part := range parts {
				raw += between() + part
			}
			raw += between() + "</Contents>"
			want = append(want, o)
		}
		raw += "</ListBucketResult>"
		if p, err := decodePage([]byte(raw), "", nil); err != nil || !reflect.DeepEqual(p.objects, want) {
			t.Fatalf("%s\nis %+v, %v", raw, p, err)
		}
	}
}

// bigPage is a page of a thousand keys as AWS writes it.
func bigPage(encoded bool) []byte {
	var b strings.Builder
	b.WriteString(pageHead + "<Name>bucket</Name><Prefix></Prefix><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>")
	slash := "/"
	if encoded {
		b.WriteString("<EncodingType>url</EncodingType>")
		slash = "%2F"
	}
	for i := range 1000 {
		fmt.Fprintf(&b, "<Contents><Key>dir-%06d%sfile-%06d.json</Key><LastModified>2024-02-29T12:30:59.000Z</LastModified><ETag>&quot;%032x&quot;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>", i/100, slash, i, i*7919, 100+i)
	}
	b.WriteString("</ListBucketResult>")
	return []byte(b.String())
}

// TestDecodingAllocations wants none for a key: those of a page are for its strings.
func TestDecodingAllocations(t *testing.T) {
	for _, encoded := range []bool{false, true} {
		raw, objects := bigPage(encoded), make([]mirror.Listed, 0, 1000)
		n := testing.AllocsPerRun(20, func() {
			p, err := decodePage(raw, "", objects)
			if err != nil || len(p.objects) != 1000 || !p.sorted {
				t.Fatal(p, err)
			}
		})
		if n > 20 {
			t.Errorf("encoded %v: %v allocations for a thousand keys", encoded, n)
		}
	}
}

// BenchmarkDecodePage decodes a thousand keys, here and with encoding/xml.
func BenchmarkDecodePage(b *testing.B) {
	for _, encoded := range []bool{false, true} {
		raw, objects := bigPage(encoded), make([]mirror.Listed, 0, 1000)
		b.Run(fmt.Sprintf("encoded=%v", encoded), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodePage(raw, "", objects); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/key")
		})
	}
	raw := bigPage(true)
	b.Run("encoding/xml", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var p oraclePage
			if err := xml.Unmarshal(raw, &p); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/key")
	})
}

// TestTimes reads times as package time does.
func TestTimes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 10_000 {
		at := time.Unix(rnd.Int64N(1<<36), rnd.Int64N(1e9)).UTC()
		text := at.Format("2006-01-02T15:04:05.000Z")
		if got := parseTime([]byte(text)); got != at.Unix() {
			t.Errorf("%s: %d, want %d", text, got, at.Unix())
		}
	}
	for _, text := range []string{"", "Z", "2024-13-01T00:00:00Z", "2024-02-30T25:00:00Z", "2024/02/29T12:00:00Z", "0000-00-00T00:00:00Z"} {
		if got := parseTime([]byte(text)); got != 0 {
			t.Errorf("%q: %d", text, got)
		}
	}
}
