package agentconfig

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// bomb is a YAML whose anchors repeat each other to more values than any machine has.
func bomb(levels int) string {
	var b strings.Builder
	b.WriteString("x-0: &a0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < levels; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "x-%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(alias+", ", 10), ", "))
	}
	return b.String()
}

// mergeBomb is a YAML whose merges repeat each other.
func mergeBomb(levels int) string {
	var b strings.Builder
	b.WriteString("x-0: &a0 {pause: 1s}\n")
	for i := 1; i < levels; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "x-%d: &a%d {<<: [%s]}\n", i, i, strings.TrimSuffix(strings.Repeat(alias+", ", 10), ", "))
	}
	return b.String()
}

// Were these not bounded, the test would not end.
func TestHostileFilesEndSoon(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"a large file":              {strings.Repeat("#\n", MaxSize/2+1), "the file is larger than 1Mi"},
		"a bomb of aliases":         {bomb(20) + "admission: {webhook: {excludeNamespaces: *a19}}\n", "must have entries that are texts"},
		"a bomb of merges":          {mergeBomb(15) + "breaker: *a14\n", "has more than 10000 values"},
		"a list without end":        {"admission: {webhook: {excludeNamespaces: [" + strings.Repeat("a,", 20_000) + "]}}\n", "has more than 10000 values"},
		"a map that is its own key": {"audit: &a {sinks: *a}\n", "audit.sinks.sinks is no key"},
		"deep lists":                {strings.Repeat("[", 100_000), "exceeded max depth"},
		"deep maps":                 {strings.Repeat("{a: ", 100_000), "exceeded max depth"},
		"keys that nobody knows":    {unknownKeys(100_000), "k0 is no key"},
		"a key of a megabyte":       {"? " + strings.Repeat("k", MaxSize-10) + "\n: 1\n", "is no key"},
		"a value of a megabyte":     {"logLevel: " + strings.Repeat("k", MaxSize-20) + "\n", "must be debug"},
		"an exponent without end":   {"evaluation: {memoryLimit: 1e999999999999}\n", "must be a number of bytes"},
		"a number with an exponent": {"admission: {webhook: {listen: 1e999999999999}}\n", "must be a port"},
		"bytes that are no text":    {"logLevel: \xff\xfe\n", "no valid YAML"},
		"a list that is in itself":  {"admission: {webhook: {excludeNamespaces: &a [*a]}}\n", "must have entries that are texts"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(test.content)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the error is %v, want one with %q", err, test.want)
			}
			if len(err.Error()) > maxFindings*500 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

func unknownKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "a: b\n", "audit: {enabled: true}\n", "terraform: {enabled: true}\n", "admission.webhook.listen: 1\n",
		"x: &a {<<: *a}\n", "audit: &a {sinks: *a}\n", "<<: [{audit: {enabled: true}}]\n", "? [a]\n: b\n", "---\n---\n", "!!binary a: b\n",
		"audit: {enabled: true, interval: 1e3, sinks: {elasticSink: {address: 'http://u:p@h', indexName: i}}}\n", bomb(5), mergeBomb(5),
	} {
		f.Add([]byte(seed), "AUDIT_INTERVAL=6")
	}
	f.Fuzz(func(t *testing.T, content []byte, variable string) {
		c, warnings, err := Load("config.yaml", content, []string{variable})
		for _, warning := range warnings {
			if warning.String() == "" || warning.Reason == "" {
				t.Errorf("a warning says nothing: %+v", warning)
			}
		}
		if err != nil {
			var all *Error
			if c != nil || !errors.As(err, &all) || len(all.Faults) == 0 {
				t.Fatalf("the error is %v, the configuration %v", err, c)
			}
			return
		}
		// What a valid configuration shows must be what makes the same one.
		for _, k := range keys(newDraft(*c)) {
			if strings.Contains(k.name, ".sinks.") || k.value.show() == "" {
				continue
			}
			shown := k.value.show()
			if err := k.value.set(shown); err != nil {
				t.Errorf("%s is %q, which %v", k.name, shown, err)
			}
			if again := k.value.show(); again != shown {
				t.Errorf("%s is %q, and %q when it is read again", k.name, shown, again)
			}
		}
		if more := c.RestartNeeded(c); more != nil {
			t.Errorf("differs from itself in %v", more)
		}
	})
}
