package fold

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzManifest compares what is written with what encoding/json reads.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		`{"a":{"b":[1,-2.5e300,true,null,"x"],"c":{}},"":[]}`, `{"quote\"":"\\ \u0000 \u2028 <&> \ud800 日本"}`, `null`, `{"n":123456789012345678901234567890}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, useNumber := range []bool{true, false} {
			decode := func(text []byte) (value any, err error) {
				d := json.NewDecoder(bytes.NewReader(text))
				if useNumber {
					d.UseNumber()
				}
				return value, d.Decode(&value)
			}
			want, err := decode([]byte(text))
			if err != nil {
				return
			}
			written, err := appendJSON(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(written)
			if err != nil {
				t.Fatalf("%s: %v", written, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", written, diff)
			}
		}
	})
}

func TestWhatJSONCannotSayIsAnError(t *testing.T) {
	for name, value := range map[string]any{"a function": func() {}, "no number": math.NaN()} {
		if text, err := appendJSON(nil, map[string]any{"a": []any{value}}); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
}
