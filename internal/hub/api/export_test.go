package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store/storetest"
	"github.com/assay-gitops/assay/internal/sink"
)

func TestExportsHaveAllThatListsHave(t *testing.T) {
	b := newBed(t)
	const many = 2*exportPage + 5
	var results []*sink.Result
	for i := range many {
		results = append(results, storetest.Result(fmt.Sprint("r", i), storetest.Object("Deployment", "shop", fmt.Sprint("web-", i)), storetest.After(time.Duration(i)*time.Second)))
	}
	b.add(t, "here", results...)
	b.seed(t)
	for _, format := range []string{"csv", "ndjson"} {
		got := b.get(t, tenant, "/v1/export?kind=Deployment&format="+format)
		if got.status != 200 || strings.Contains(got.body, foreign) || !strings.Contains(got.header.Get("Content-Disposition"), "violations-2026-03-11."+format) {
			t.Fatalf("%d %v", got.status, got.header)
		}
		found := map[string]bool{}
		if format == "csv" {
			lines, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
			if err != nil || strings.Join(lines[0][:3], " ") != "id cluster gate" {
				t.Fatal(err, lines[0])
			}
			for _, line := range lines[1:] {
				found[line[0]] = true
			}
		} else {
			lines := bufio.NewScanner(strings.NewReader(got.body))
			for lines.Scan() {
				var v Violation
				if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
					t.Fatal(err)
				}
				found[v.ID] = true
			}
		}
		// The seed has web-less names of its own: web, api and old.
		if len(found) != many+3 {
			t.Errorf("%s: %d violations", format, len(found))
		}
	}
}

func TestNothingInCSVIsAFormula(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "",
		"web":              "web",
		"a=b":              "a=b",
		"=1+2":             "'=1+2",
		"+1":               "'+1",
		"-1":               "'-1",
		"@SUM(A1)":         "'@SUM(A1)",
		"\t=1":             "'\t=1",
		"\r=1":             "'\r=1",
		" =1":              "' =1",
		"\n@x":             "'\n@x",
		"＝1":               "'＝1",
		"\ufeff=cmd|'/c'!": "'\ufeff=cmd|'/c'!",
		"\xff=1":           "\xff=1",
	} {
		if got := noFormula(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	b := newBed(t)
	b.add(t, "here", storetest.Result("r1", func(r *sink.Result) { r.Validation.Message = "=HYPERLINK(\"x\"),\n\"y\"" }))
	got := b.get(t, platform, "/v1/export")
	lines, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || len(lines) != 2 || lines[1][18] != "'=HYPERLINK(\"x\"),\n\"y\"" {
		t.Errorf("%v: %q", err, lines)
	}
}

func TestAnExportThatFailsHalfWayDoesNotLookWhole(t *testing.T) {
	b := newBed(t)
	var results []*sink.Result
	for i := range 3 * exportPage {
		results = append(results, storetest.Result(fmt.Sprint("r", i), storetest.Object("Deployment", "shop", fmt.Sprint("web-", i)), func(r *sink.Result) {
			r.Validation.Message = strings.Repeat("x", 4000)
		}))
	}
	b.add(t, "here", results...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/export?format=ndjson", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+platform)
	// What comes is not read before the store is gone, and does not fit in between.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil {
		t.Errorf("%d bytes came and the end looked like one", n)
	}
}

func TestAnExportTakesLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("keeps many violations")
	}
	b := newBed(t)
	message := strings.Repeat("x", 2000)
	for i := range 8 {
		var results []*sink.Result
		for j := range 1000 {
			results = append(results, storetest.Result(fmt.Sprint("r", i, "-", j), storetest.Object("Deployment", "shop", fmt.Sprint("web-", i, "-", j)), func(r *sink.Result) { r.Validation.Message = message }))
		}
		b.add(t, "here", results...)
	}
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+platform)
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	// Half of it has come; the rest waits.
	n, err := io.CopyN(io.Discard, response.Body, 8<<20)
	if err != nil {
		t.Fatalf("%d bytes: %v", n, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("an export of 17 MB has %d bytes in memory", grown)
	}
}

func TestOnlySomeExportAtOnce(t *testing.T) {
	s := &service{exports: make(chan struct{}, 1)}
	s.exports <- struct{}{}
	if _, err := s.export(t.Context(), &exportInput{}); err == nil || !strings.Contains(err.Error(), "others are exporting") {
		t.Errorf("got %v", err)
	}
}
