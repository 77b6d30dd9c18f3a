package agentconfig

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/assay-gitops/assay/policy"
)

// value is how one field of the configuration is written and read. A field that is set is valid.
type value struct {
	// kind is what people are told to write.
	kind string
	// set reads a text. Its error continues a sentence that begins with the key, and does not repeat the text.
	set func(text string) error
	// setList reads a list; nil for what is none.
	setList func(texts []string) error
	// show writes the field as it would be configured. Secrets show nothing.
	show func() string
	// hides tells whether a text that was refused may hold a secret; nil means never.
	hides func(text string) bool
}

func textValue(field *string) value {
	return value{
		kind: "string",
		set:  func(text string) error { *field = text; return nil },
		show: func() string { return *field },
	}
}

func secretValue(field *Secret) value {
	return value{
		kind:  "string, secret",
		set:   func(text string) error { *field = Secret(text); return nil },
		show:  func() string { return "" },
		hides: func(string) bool { return true },
	}
}

// checkedValue is a text for which check has no objection.
func checkedValue(field *string, kind string, check func(text string) error) value {
	v := textValue(field)
	v.kind = kind
	v.set = func(text string) error {
		if err := check(text); err != nil {
			return err
		}
		*field = text
		return nil
	}
	return v
}

// optional lets a text be empty.
func optional(field *string, v value) value {
	set := v.set
	v.set = func(text string) error {
		if text == "" {
			*field = ""
			return nil
		}
		return set(text)
	}
	return v
}

func pathValue(field *string) value {
	return checkedValue(field, "path", func(text string) error {
		switch {
		case text == "":
			return errors.New("must not be empty")
		case strings.ContainsRune(text, 0):
			return errors.New("must be a path")
		}
		return nil
	})
}

// localPathValue is a path that stays in the folder it is relative to.
func localPathValue(field *string) value {
	return checkedValue(field, "file name", func(text string) error {
		switch {
		case text == "":
			return errors.New("must not be empty")
		case strings.HasSuffix(text, "/"), filepath.Clean(text) == ".", strings.ContainsRune(text, 0):
			return errors.New("must be the name of a file")
		case filepath.IsAbs(text):
			return errors.New("must be the name of a file in the folder for results, without a slash at its beginning")
		case !filepath.IsLocal(text):
			return errors.New("must not leave the folder for results")
		}
		return nil
	})
}

// nameValue is a name for which one of Kubernetes' own checks has no objection.
func nameValue(field *string, kind string, check func(string) []string) value {
	return checkedValue(field, kind, func(text string) error { return nameError(kind, check(text)) })
}

func nameError(kind string, objections []string) error {
	if len(objections) == 0 {
		return nil
	}
	reason, _, _ := strings.Cut(objections[0], " (e.g.")
	return fmt.Errorf("must be a %s: %s", kind, reason)
}

// listValue is a list, or a text with commas, of what check has no objection to. The check may put an entry into another form.
func listValue(field *[]string, kind string, check func(text string) (string, error)) value {
	v := value{
		kind: kind,
		setList: func(texts []string) error {
			list := make([]string, 0, len(texts))
			for _, text := range texts {
				checked, err := check(text)
				if err != nil {
					return fmt.Errorf("has the entry %q, which %w", shorten(text), err)
				}
				list = append(list, checked)
			}
			*field = list
			return nil
		},
		show: func() string { return strings.Join(*field, ",") },
	}
	v.set = func(text string) error {
		var texts []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				texts = append(texts, part)
			}
		}
		return v.setList(texts)
	}
	return v
}

func namespacesValue(field *[]string) value {
	return listValue(field, "list of namespaces", func(text string) (string, error) {
		return text, nameError("name of a namespace", validation.IsDNS1123Label(text))
	})
}

// workloadsValue is a list of kinds that contain a pod template, each as policy.ParseWorkload reads it.
func workloadsValue(field *[]string) value {
	return listValue(field, "list of GROUP/KIND=PATH", func(text string) (string, error) {
		w, err := policy.ParseWorkload(text)
		if err != nil {
			return "", err //nolint:wrapcheck // what the value is called is said by who reads it
		}
		return w.String(), nil
	})
}

// wordsValue is a list of some of a few words, in any case.
func wordsValue(field *[]string, words ...string) value {
	kind := strings.Join(words, ", ")
	return listValue(field, "list of "+kind, func(text string) (string, error) {
		word := strings.ToLower(text)
		if !slices.Contains(words, word) {
			return "", fmt.Errorf("must be one of %s", kind)
		}
		return word, nil
	})
}

// patternsValue is a list of names with wildcards, as path.Match has them.
func patternsValue(field *[]string) value {
	return listValue(field, "list of patterns", func(text string) (string, error) {
		if _, err := path.Match(text, ""); err != nil || text == "" {
			return "", errors.New("must be a name or a pattern such as team-*")
		}
		return text, nil
	})
}

// choiceValue is one of a few words, in any case; the field gets the word as listed.
func choiceValue(field *string, words ...string) value {
	kind := strings.Join(words, " or ")
	v := textValue(field)
	v.kind = kind
	v.set = func(text string) error {
		for _, word := range words {
			if strings.EqualFold(word, text) {
				*field = word
				return nil
			}
		}
		return fmt.Errorf("must be %s", kind)
	}
	return v
}

func levelValue(field *slog.Level) value {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	return value{
		kind: "debug, info, warn or error",
		set: func(text string) error {
			level, ok := levels[strings.ToLower(text)]
			if !ok {
				return errors.New("must be debug, info, warn or error")
			}
			*field = level
			return nil
		},
		show: func() string { return strings.ToLower(field.String()) },
	}
}

func boolValue(field *bool) value {
	return value{
		kind: "boolean",
		set: func(text string) error {
			// Templates quote booleans, and the old agent took what strconv takes.
			b, err := strconv.ParseBool(text)
			if err != nil {
				return errors.New("must be true or false")
			}
			*field = b
			return nil
		},
		show: func() string { return strconv.FormatBool(*field) },
	}
}

func intValue(field *int, kind string, least, most int) value {
	return value{
		kind: kind,
		set: func(text string) error {
			n, ok := wholeNumber(text)
			if !ok || n < int64(least) || n > int64(most) {
				return fmt.Errorf("must be a %s from %d to %d", kind, least, most)
			}
			*field = int(n)
			return nil
		},
		show: func() string { return strconv.Itoa(*field) },
	}
}

func portValue(field *int) value { return intValue(field, "port", 1, 65535) }

// wholeNumber reads a decimal number. Helm writes large numbers of its values as 1.048576e+06, so that counts too.
func wholeNumber(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	const exact = 1 << 53 // beyond that a float64 does not hold every whole number
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, false
	}
	return int64(f), true
}

func ratioValue(field *float64) value {
	return value{
		kind: "number from 0 to 1",
		set: func(text string) error {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil || !(f >= 0 && f <= 1) {
				return errors.New("must be a number from 0 to 1")
			}
			*field = f
			return nil
		},
		show: func() string { return strconv.FormatFloat(*field, 'g', -1, 64) },
	}
}

// sizeUnits are those of Kubernetes' quantities that sizes of memory are written in.
func sizeUnits() []struct {
	suffix string
	bytes  float64
} {
	return []struct {
		suffix string
		bytes  float64
	}{{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}}
}

// sizeValue is a number of bytes, zero only when that is allowed.
func sizeValue(field *int64, zero bool, least, most int64) value {
	return value{
		kind: "size",
		set: func(text string) error {
			size, ok := parseSize(text)
			switch {
			case !ok:
				return errors.New("must be a number of bytes or a size such as 16Mi")
			case size == 0 && zero:
			case size < least || size > most:
				return fmt.Errorf("must be a size from %s to %s", formatSize(least), formatSize(most))
			}
			*field = size
			return nil
		},
		show: func() string { return formatSize(*field) },
	}
}

func parseSize(text string) (int64, bool) {
	for _, unit := range sizeUnits() {
		number, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		f, err := strconv.ParseFloat(number, 64)
		f *= unit.bytes
		if err != nil || !(f >= 0 && f < math.MaxInt64) {
			return 0, false
		}
		return int64(f), true
	}
	return 0, false
}

func formatSize(size int64) string {
	for _, unit := range sizeUnits() {
		if strings.HasSuffix(unit.suffix, "i") && size != 0 && size%int64(unit.bytes) == 0 {
			return strconv.FormatInt(size/int64(unit.bytes), 10) + unit.suffix
		}
	}
	return strconv.FormatInt(size, 10)
}

// durationValue is a duration with its unit; a multiple of step.
func durationValue(field *time.Duration, least, most, step time.Duration) value {
	return value{
		kind: "duration",
		set: func(text string) error {
			d, err := time.ParseDuration(text)
			switch _, number := wholeNumber(text); {
			case err != nil && number:
				return errors.New("must be a duration with its unit, such as 500ms, 5s, 1m or 2160h")
			case err != nil:
				return errors.New("must be a duration such as 500ms, 5s, 1m or 2160h")
			case d < least || d > most:
				return fmt.Errorf("must be a duration from %s to %s", formatDuration(least), formatDuration(most))
			case d%step != 0:
				return errors.New("must be a duration in whole seconds")
			}
			*field = d
			return nil
		},
		show: func() string { return formatDuration(*field) },
	}
}

// intervalValue is a number of hours, as in the old agent, or a duration.
func intervalValue(field *time.Duration, least, most time.Duration) value {
	return value{
		kind: "hours or duration",
		set: func(text string) error {
			d, err := time.ParseDuration(text)
			if hours, number := wholeNumber(text); number && hours >= 0 && hours <= int64(most/time.Hour) {
				d, err = time.Duration(hours)*time.Hour, nil
			}
			if err != nil || d < least || d > most {
				return fmt.Errorf("must be a number of hours, or a duration such as 12h, from %s to %s", formatDuration(least), formatDuration(most))
			}
			*field = d
			return nil
		},
		show: func() string { return formatDuration(*field) },
	}
}

// formatDuration is 1m instead of 1m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// listenValue is host:port with a numeric port. off is what off and 0 are read as, for what can be turned off.
func listenValue(field *string, off string) value {
	kind := "host:port"
	if off != "" {
		kind += " or off"
	}
	v := textValue(field)
	v.kind = kind
	v.set = func(text string) error {
		if off != "" && (text == "0" || strings.EqualFold(text, "off") || text == "false") {
			*field = off
			return nil
		}
		host, port, err := net.SplitHostPort(text)
		n, ok := portNumber(port)
		if err != nil || !ok || n < 0 || strings.ContainsAny(host, " /@") {
			return fmt.Errorf("must be %s, such as :8080", kind)
		}
		*field = text
		return nil
	}
	return v
}

func portNumber(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil
}

// urlValue is the URL of a server, of one of the schemes. What is read is kept without a slash at its end.
func urlValue(field *string, credentials bool, schemes ...string) value {
	v := textValue(field)
	v.kind = "URL, " + strings.Join(schemes, " or ")
	// Passwords and tokens are found in the parts before @ and behind ?, and who can tell in what is no URL.
	v.hides = func(text string) bool { return strings.ContainsAny(text, "@?") }
	v.set = func(text string) error {
		u, err := url.Parse(text)
		// The error of url.Parse repeats the text.
		if err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme) {
			return fmt.Errorf("must be a URL that begins with %s:// and a host", strings.Join(schemes, ":// or "))
		}
		if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
			if n, ok := portNumber(port); !ok || n == 0 {
				return errors.New("must be a URL whose port is from 1 to 65535")
			}
		}
		switch {
		case u.User != nil && !credentials:
			return errors.New("must be a URL without a user and password")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return errors.New("must be a URL without ? and #")
		}
		*field = strings.TrimRight(text, "/")
		return nil
	}
	return v
}

// endpointValue is a URL, or host:port.
func endpointValue(field *string) value {
	v := urlValue(field, false, "http", "https")
	v.kind = "host:port or URL"
	setURL := v.set
	v.set = func(text string) error {
		if host, port, err := net.SplitHostPort(text); err == nil && !strings.ContainsAny(text, "/@? ") {
			if n, ok := portNumber(port); host != "" && ok && n > 0 {
				*field = text
				return nil
			}
		}
		if err := setURL(text); err != nil {
			return fmt.Errorf("must be host:port, or it %w", err)
		}
		return nil
	}
	return v
}

// indexValue is the name of an index, by the rules of Elasticsearch's "create index" API.
func indexValue(field *string) value {
	return checkedValue(field, "index name", func(text string) error {
		switch {
		case text == "", text == ".", text == "..", len(text) > 255:
			return errors.New("must be a name of 1 to 255 bytes")
		case strings.ToLower(text) != text:
			return errors.New("must be in lower case")
		case strings.ContainsAny(text, "\\/*?\"<>| ,#:") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }):
			return errors.New(`must not contain spaces nor any of : \ / * ? " < > | , #`)
		case strings.ContainsAny(text[:1], "-_+"):
			return errors.New("must not begin with - _ or +")
		}
		return nil
	})
}
