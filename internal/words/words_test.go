package words

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextIsPutOnOneLine(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"short", 10, "short"},
		{"exactly te", 10, "exactly te"},
		{"exactly ten", 10, "exactly..."},
		{"  a\n\tb\r\n c  ", 10, "a b c"},
		{"red \x1b[31mtext\x00\x7f", 20, "red [31mtext"},
		{"bidi \u202etxet\u200b", 20, "bidi txet"},
		{"broken \xff\xfe utf-8", 20, "broken utf-8"},
		{"größer als zehn", 10, "größer..."},
		{strings.Repeat("ü", 11), 10, strings.Repeat("ü", 7) + "..."},
	} {
		got := OneLine(test.in, test.limit)
		if got != test.want || utf8.RuneCountInString(got) > test.limit {
			t.Errorf("OneLine(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func TestFirstSentences(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "",
		"Do this. Then that.":              "Do this.",
		"Do this.\nThen that.":             "Do this.",
		"Do\nthis\n\nand that":             "Do this",
		"Set it, e.g. so, to 1.5 or more.": "Set it, e.g. so, to 1.5 or more.",
		"# Title\n\nDo `this`!":            "Do this!",
		"```yaml\na: b\n```\nWrite it so. Or not.":    "Write it so.",
		"```yaml\na: b\n```":                          "",
		"```yaml\nnever closed":                       "",
		"- Set **it** to [this](https://example.org)": "Set it to this",
		"1. First. Second.":                           "First.",
		"Write:\n\n```\nx\n```":                       "Write",
		"keep how_to_solve and *.yaml":                "keep how_to_solve and *.yaml",
		"#":                                           "#",
	} {
		if got := FirstSentence(in, 200); got != want {
			t.Errorf("FirstSentence(%q) = %q, want %q", in, got, want)
		}
	}
	if got := FirstSentence(strings.Repeat("word ", 1e6), 40); utf8.RuneCountInString(got) > 40 || !strings.HasSuffix(got, "...") {
		t.Errorf("got %q", got)
	}
}

func TestTextIsCutBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		in   string
		size int
		want string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"äöü", 5, "ä…"},
		{"äöü", 6, "äöü"},
		{"longer", 3, "…"},
		{"", 3, ""},
	} {
		if got := Cut(test.in, test.size); got != test.want || len(got) > test.size {
			t.Errorf("%q cut to %d bytes is %q, want %q", test.in, test.size, got, test.want)
		}
	}
}
