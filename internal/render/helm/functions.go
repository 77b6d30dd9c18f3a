package helm

import (
	"bytes"
	"encoding/json"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
	pretty "sigs.k8s.io/yaml/goyaml.v3"
)

// functions are those that Helm adds to the ones of Go's templates, apart from include and tpl, which belong to a
// renderer. As with Helm they swallow errors unless their name begins with must.
func functions() template.FuncMap {
	funcs := sprig.TxtFuncMap()
	delete(funcs, "env")
	delete(funcs, "expandenv")
	for name, function := range map[string]any{
		"toYaml":        func(v any) string { return orEmpty(toYAML(v)) },
		"mustToYaml":    func(v any) string { return orPanic(toYAML(v)) },
		"toYamlPretty":  func(v any) string { return orEmpty(toYAMLPretty(v)) },
		"fromYaml":      func(s string) map[string]any { return parseMap(s, unmarshalYAML) },
		"fromYamlArray": func(s string) []any { return parseList(s, unmarshalYAML) },
		"toJson":        func(v any) string { return orEmpty(toJSON(v)) },
		"mustToJson":    func(v any) string { return orPanic(toJSON(v)) },
		"fromJson":      func(s string) map[string]any { return parseMap(s, json.Unmarshal) },
		"fromJsonArray": func(s string) []any { return parseList(s, json.Unmarshal) },
		"toToml":        toTOML,
		"mustToToml":    func(v any) string { return orPanic(encodeTOML(v)) },
		"fromToml":      func(s string) map[string]any { return parseMap(s, toml.Unmarshal) },

		"mustToDuration":       mustToDuration,
		"durationSeconds":      durationSeconds,
		"durationMilliseconds": durationMilliseconds,
		"durationMicroseconds": durationMicroseconds,
		"durationNanoseconds":  durationNanoseconds,
		"durationMinutes":      durationMinutes,
		"durationHours":        durationHours,
		"durationDays":         durationDays,
		"durationWeeks":        durationWeeks,
		"durationRoundTo":      durationRoundTo,
		"durationTruncateTo":   durationTruncateTo,

		"required": required,
		"fail":     func(message string) (string, error) { return "", &chartError{message} },
		// There is no cluster and no network, as with helm template.
		"lookup":        func(string, string, string, string) (map[string]any, error) { return map[string]any{}, nil },
		"getHostByName": func(string) string { return "" },
	} {
		funcs[name] = function
	}
	return funcs
}

// chartError is what the author of a chart says to those who use it wrongly.
type chartError struct{ message string }

func (e *chartError) Error() string { return e.message }

func required(message string, v any) (any, error) {
	if v == nil || v == "" {
		return v, &chartError{message}
	}
	return v, nil
}

func orEmpty(text string, err error) string {
	if err != nil {
		return ""
	}
	return text
}

// orPanic hands an error to the template that called; Go's templates turn the panic of a function into its error.
func orPanic(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
}

func toYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(data), "\n"), err
}

func toYAMLPretty(v any) (string, error) {
	var data bytes.Buffer
	encoder := pretty.NewEncoder(&data)
	encoder.SetIndent(2)
	err := encoder.Encode(v)
	return strings.TrimSuffix(data.String(), "\n"), err
}

func toJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

func encodeTOML(v any) (string, error) {
	var data bytes.Buffer
	err := toml.NewEncoder(&data).Encode(v)
	return data.String(), err
}

// toTOML returns the error as text, as Helm does.
func toTOML(v any) string {
	text, err := encodeTOML(v)
	if err != nil {
		return err.Error()
	}
	return text
}

func unmarshalYAML(data []byte, v any) error { return yaml.Unmarshal(data, v) }

// parseMap has the error under Error, as Helm's functions do.
func parseMap(text string, unmarshal func([]byte, any) error) map[string]any {
	m := map[string]any{}
	if err := unmarshal([]byte(text), &m); err != nil {
		m["Error"] = err.Error()
	}
	return m
}

// parseList has the error as its only item, as Helm's functions do.
func parseList(text string, unmarshal func([]byte, any) error) []any {
	list := []any{}
	if err := unmarshal([]byte(text), &list); err != nil {
		return []any{err.Error()}
	}
	return list
}
