package sealed

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

type value struct {
	Name   string
	Groups []string
}

func key(t *testing.T, letters ...string) *Keys {
	t.Helper()
	var file strings.Builder
	file.WriteString("# keys\n\n")
	for _, letter := range letters {
		file.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, minKey))) + "\n")
	}
	keys, err := ParseKeys([]byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestWhatIsSealedIsOpenedByWhoHasTheKey(t *testing.T) {
	text, err := key(t, "a").Seal("one", value{"jane", []string{"devs"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys          *Keys
		purpose, text string
		want          error
	}{
		"the same key":          {key(t, "a"), "one", text, nil},
		"a key that was before": {key(t, "b", "a"), "one", text, nil},
		"another key":           {key(t, "b"), "one", text, ErrNot},
		"another purpose":       {key(t, "a"), "two", text, ErrNot},
		"nothing":               {key(t, "a"), "one", "", ErrNot},
		"another version":       {key(t, "a"), "one", "2" + text[1:], ErrNot},
		"no base64":             {key(t, "a"), "one", text + "!", ErrNot},
		"too short":             {key(t, "a"), "one", text[:8], ErrNot},
		"more":                  {key(t, "a"), "one", text + "AAAA", ErrNot},
	} {
		t.Run(name, func(t *testing.T) {
			var got value
			if err := test.keys.Open(test.purpose, test.text, &got); !errors.Is(err, test.want) || (err == nil) != (got.Name == "jane" && len(got.Groups) == 1) {
				t.Errorf("%v, got %+v", err, got)
			}
		})
	}
	for i := range text {
		other := "A"
		if text[i] == 'A' {
			other = "B"
		}
		var got value
		if err := key(t, "a").Open("one", text[:i]+other+text[i+1:], &got); !errors.Is(err, ErrNot) {
			t.Errorf("with another character at %d: %v", i, err)
		}
	}
}

func TestWhatIsSealedTellsNothing(t *testing.T) {
	keys := Random()
	one, err := keys.Seal("one", value{Name: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	two, err := keys.Seal("one", value{Name: "jane"})
	if err != nil || one == two || strings.Contains(one, "jane") {
		t.Errorf("%v: %s and %s", err, one, two)
	}
	if _, err := keys.Seal("one", strings.Repeat("x", maxValue)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("what is too long: %v", err)
	}
}

func TestAFileOfKeysThatIsWrongIsTold(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("secret"))
	for name, test := range map[string]struct{ content, says string }{
		"nothing":     {"# none\n", "no key"},
		"no base64":   {"\nnot a key!\n", "line 2"},
		"a short key": {short, "6 bytes"},
		"many keys":   {strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", maxKeys+1), "line 11"},
	} {
		_, err := ParseKeys([]byte(test.content))
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), short) || strings.Contains(err.Error(), "not a key!") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	keys := Random()
	text, err := keys.Seal("one", value{Name: "jane"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("1.")
	f.Fuzz(func(t *testing.T, other string) {
		var got value
		if err := keys.Open("one", other, &got); (err == nil) != (other == text) {
			t.Errorf("%q: %v", other, err)
		}
	})
}
