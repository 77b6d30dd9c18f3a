package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/policy"
)

// verdict is what a policy found in an object.
type verdict struct {
	applies     bool
	occurrences []policy.Occurrence
	err         error
}

// difference tells what a case expected and did not get, and the other way round; "" when the verdict is as expected.
func difference(c *testCase, of *podObject, got verdict) string {
	wantApplies := c.Applies == nil || *c.Applies
	switch {
	case got.err != nil:
		return "the policy failed on the object: " + got.err.Error()
	case !wantApplies && got.applies:
		return "the policy must not apply to the object, but judged it" + listing(got.occurrences)
	case wantApplies && !got.applies:
		return "the policy does not apply to the object: its targets, exclusions or match conditions leave it out"
	}
	missing, unexpected := match(c.Violations, of, got.occurrences)
	if len(missing)+len(unexpected) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "expected %s, found %d:", count(len(c.Violations), "violation"), len(got.occurrences))
	for i := range missing {
		fmt.Fprintf(&b, "\n  - %s", missing[i].describe(of))
	}
	for i := range unexpected {
		fmt.Fprintf(&b, "\n  + %s", describe(&unexpected[i]))
	}
	return b.String()
}

// match pairs expectations with occurrences, those that say most first, and returns what is left of both.
func match(expected []expectation, of *podObject, found []policy.Occurrence) (missing []expectation, unexpected []policy.Occurrence) {
	ordered := slices.Clone(expected)
	slices.SortStableFunc(ordered, func(a, b expectation) int { return b.detail() - a.detail() })
	unexpected = slices.Clone(found)
	for _, e := range ordered {
		i := slices.IndexFunc(unexpected, func(o policy.Occurrence) bool { return e.matches(of, &o) })
		if i < 0 {
			missing = append(missing, e)
			continue
		}
		unexpected = slices.Delete(unexpected, i, i+1)
	}
	return missing, unexpected
}

// detail is how many things the expectation states.
func (e *expectation) detail() int {
	n := 0
	if e.Path != nil {
		n++
	}
	if e.Message != nil {
		n++
	}
	if e.RecommendedValue != nil {
		n++
	}
	return n
}

func (e *expectation) matches(of *podObject, o *policy.Occurrence) bool {
	return (e.Path == nil || of.path(*e.Path) == o.Path) &&
		(e.Message == nil || *e.Message == o.Message) &&
		(e.RecommendedValue == nil || bytes.Equal(canonical(e.RecommendedValue), marshal(o.RecommendedValue)))
}

// canonical is the JSON with keys sorted and without spaces, as marshal writes it.
func canonical(raw json.RawMessage) []byte {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return raw
	}
	return marshal(value)
}

func marshal(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Appendf(nil, "%v", value)
	}
	return bytes.TrimSpace(b.Bytes())
}

func (e *expectation) describe(of *podObject) string {
	path, message := "any path", "any message"
	if e.Path != nil {
		path = pathText(of.path(*e.Path))
	}
	if e.Message != nil {
		message = *e.Message
	}
	text := path + ": " + message
	if e.RecommendedValue != nil {
		text += recommendedText(string(canonical(e.RecommendedValue)))
	}
	return text
}

func describe(o *policy.Occurrence) string {
	return pathText(o.Path) + ": " + o.Message + recommendedText(string(marshal(o.RecommendedValue)))
}

func pathText(path string) string {
	if path == "" {
		return "no path"
	}
	return path
}

func recommendedText(asJSON string) string {
	if asJSON == "null" {
		return " (recommends nothing)"
	}
	return " (recommends " + asJSON + ")"
}

func listing(found []policy.Occurrence) string {
	var b strings.Builder
	for i := range found {
		fmt.Fprintf(&b, "\n  + %s", describe(&found[i]))
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
