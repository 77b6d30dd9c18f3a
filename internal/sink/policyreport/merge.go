package policyreport

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
)

// What a report notes about results that had no room. Which they are is noted by their keys' hashes, so that one that comes
// again is not counted again, and one that is resolved no longer.
const (
	leftOutAnnotation    = "pac.weave.works/results-left-out"
	leftOutIDsAnnotation = "pac.weave.works/results-left-out-ids"
	// leftOutPolicy is the policy of the result that tells people so.
	leftOutPolicy = "assay/left-out"
	// maxLeftOut bounds how many are noted: annotations may have 256 KiB.
	maxLeftOut = 10_000
	hashLength = 8
)

// contents are the results of a report, to be changed.
type contents struct {
	scope   Scope
	results map[key]v1alpha1.ReportResult
	// leftOut are the hashes of keys.
	leftOut map[string]bool
}

func contentsOf(r *v1alpha1.Report, scope Scope) *contents {
	c := &contents{scope: scope, results: map[key]v1alpha1.ReportResult{}, leftOut: map[string]bool{}}
	for _, result := range r.Results {
		if result.Policy != leftOutPolicy {
			c.results[keyOfResult(&result, r.Scope)] = result
		}
	}
	// Somebody who edits the annotation away, or into something else, loses the count and nothing more.
	hashes, _ := base64.RawStdEncoding.DecodeString(r.Annotations[leftOutIDsAnnotation])
	for hash := range slices.Chunk(hashes, hashLength) {
		c.leftOut[string(hash)] = true
	}
	return c
}

// apply adds a result or removes it.
func (c *contents) apply(r *sink.Result) {
	v := &r.Validation
	k := keyOf(v.Policy.ID, subject(&v.Entity))
	old, known := c.results[k]
	// Nobody says when a compliance is no more because the object is gone. A report of its own goes with it; in that of a
	// namespace it would stay.
	if r.Life == sink.Resolved || v.Status == weave.StatusCompliance && c.scope == Namespace {
		if known && len(old.Subjects) > 0 && other(old.Subjects[0].UID, uid(&v.Entity)) {
			return // resolved is what an object of that name had that was there before
		}
		delete(c.results, k)
		delete(c.leftOut, k.hash())
		return
	}
	result := resultOf(r, c.scope)
	if known && same(&old, &result) {
		return
	}
	c.results[k] = result
}

func other(a, b types.UID) bool { return a != "" && b != "" && a != b }

func uid(e *weave.Entity) types.UID { return types.UID(e.ID) }

// write puts the contents into a report, as much as there is room for.
func (c *contents) write(r *v1alpha1.Report, maxResults, maxBytes int) error {
	keys := slices.Collect(maps.Keys(c.results))
	slices.SortFunc(keys, func(a, b key) int {
		first, second := c.results[a], c.results[b]
		return worse(&first, &second)
	})
	r.Results, r.Summary = nil, v1alpha1.ReportSummary{}
	size := 0
	for _, k := range keys {
		result := c.results[k]
		encoded, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("encoding the result of policy %s: %w", result.Policy, err)
		}
		if len(r.Results) >= maxResults || size+len(encoded) > maxBytes {
			c.leftOut[k.hash()] = true
			continue
		}
		size += len(encoded)
		delete(c.leftOut, k.hash())
		r.Results = append(r.Results, result)
		count(&r.Summary, result.Result)
	}
	c.noteLeftOut(r, maxResults)
	return nil
}

func count(s *v1alpha1.ReportSummary, outcome v1alpha1.Result) {
	switch outcome {
	case "pass":
		s.Pass++
	case "fail":
		s.Fail++
	case "warn":
		s.Warn++
	case "error":
		s.Error++
	case "skip":
		s.Skip++
	}
}

func (c *contents) noteLeftOut(r *v1alpha1.Report, maxResults int) {
	if len(c.leftOut) == 0 {
		delete(r.Annotations, leftOutAnnotation)
		delete(r.Annotations, leftOutIDsAnnotation)
		return
	}
	hashes := slices.Sorted(maps.Keys(c.leftOut))
	number := fmt.Sprint(len(hashes))
	if len(hashes) > maxLeftOut {
		hashes = hashes[:maxLeftOut]
		number = fmt.Sprintf("more than %d", maxLeftOut)
	}
	if r.Annotations == nil {
		r.Annotations = map[string]string{}
	}
	r.Annotations[leftOutAnnotation] = number
	r.Annotations[leftOutIDsAnnotation] = base64.RawStdEncoding.EncodeToString([]byte(strings.Join(hashes, "")))
	r.Results = append(r.Results, v1alpha1.ReportResult{
		Source: source, Policy: leftOutPolicy, Result: "warn", Severity: "info",
		Description: fmt.Sprintf("Results that are left out here: %s. A report has room for %d; the other sinks have all.", number, maxResults),
	})
	r.Summary.Warn++
}

// hash tells keys apart within a report.
func (k key) hash() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{k.policy, k.group, k.kind, k.namespace, k.name}, "\x00")))
	return string(sum[:hashLength])
}
