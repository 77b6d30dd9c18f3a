package quick

import (
	"strings"

	"github.com/assay-gitops/assay/internal/sink"
)

// Batch is what an agent sends.
type Batch struct {
	// Cluster is empty when it was not said.
	Cluster string
	Results []*sink.Result
}

// Unusual reads the result that a text begins with, which is not written as usual, and tells where it ends; false when it cannot be taken.
type Unusual func(text string) (result *sink.Result, end int, ok bool)

// Read reads a batch of at most so many results; false when it is not written as usual or a result cannot be taken. It holds nothing of the
// text. Results share policies and manifests that are the same: nobody may change those.
func (p *Policies) Read(body string, most int, unusual Unusual) (b Batch, ok bool) {
	t := &text{s: body}
	r := &reader{known: p}
	var versioned, listed bool
	t.object(func(key string) bool {
		switch key {
		case "version":
			versioned = true
			return t.one()
		case "cluster":
			b.Cluster = t.own()
			return true
		case "results":
			listed = true
			b.Results = r.results(t, most, unusual)
			return true
		}
		return false
	})
	t.space()
	return b, !t.failed && t.at == len(body) && versioned && listed
}

func (r *reader) results(t *text, most int, unusual Unusual) (list []*sink.Result) {
	t.expect("[")
	t.space()
	if t.takes("]") {
		return nil
	}
	for !t.failed {
		t.space()
		if len(list) == most || t.failed {
			t.giveUp()
			return nil
		}
		result, end, ok := r.result(t.s[t.at:])
		if !ok {
			result, end, ok = unusual(t.s[t.at:])
		}
		if !ok {
			t.giveUp()
			return nil
		}
		list = append(list, result)
		t.at += end
		t.space()
		if !t.takes(",") {
			break
		}
	}
	t.expect("]")
	return list
}

// space goes behind white space.
func (t *text) space() {
	for t.at < len(t.s) && strings.IndexByte(" \t\r\n", t.s[t.at]) >= 0 {
		t.at++
	}
}
