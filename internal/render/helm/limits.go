package helm

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

// What one release may use. Charts of hundreds of templates stay far below: each takes some hundred steps.
const (
	// tplSteps is what a tpl costs: it parses, and copies the list of all templates.
	tplSteps = 100
	// maxDepth is how deep templates call one another.
	maxDepth = 1000
	// maxText is how long the text may be that a function returns.
	maxText = 32 << 20
	// maxItems is how many items a list or map may have that a function returns, and how many values in all it may have
	// that a function walks through.
	maxItems = 1 << 20
	// maxNesting is how deep the latter may be.
	maxNesting = 1000
)

// limits are those that take a while to reach; tests have lower ones.
type limits struct {
	// steps is how many nodes of templates are executed and functions called.
	steps int
	// output is how many MiB are written, what include and tpl return included.
	output int
}

// usualLimits are those of Build.
func usualLimits() limits { return limits{steps: 3_000_000, output: 128} }

// limitError is why a template was stopped.
type limitError struct{ what string }

func (e *limitError) Error() string { return e.what }

// guarded returns functions that count as steps and whose results are bounded.
func guarded(funcs template.FuncMap, step func() error) template.FuncMap {
	guarded := make(template.FuncMap, len(funcs))
	for name, function := range funcs {
		guarded[name] = guard(name, reflect.ValueOf(function), step)
	}
	return guarded
}

// guard wraps one. It panics with its error: Go's templates make that the error of the call, and most functions
// have no error among their results.
func guard(name string, function reflect.Value, step func() error) any {
	call := function.Call
	if function.Type().IsVariadic() {
		call = function.CallSlice
	}
	walks := !isShallow(name)
	return reflect.MakeFunc(function.Type(), func(args []reflect.Value) []reflect.Value {
		if err := step(); err != nil {
			panic(err)
		}
		if err := checkSize(name, args); err != nil {
			panic(err)
		}
		if walks {
			for _, arg := range args {
				if err := checkExtent(arg); err != nil {
					panic(err)
				}
			}
		}
		results := call(args)
		if err := checkResult(name, results[0]); err != nil {
			panic(err)
		}
		return results
	}).Interface()
}

// isShallow tells whether a function looks at no more than the top of what it is given.
func isShallow(name string) bool {
	switch name {
	case "include", "tpl", "dict", "list", "tuple", "set", "unset", "get", "hasKey", "keys", "pick", "omit", "pluck", "dig",
		"default", "empty", "coalesce", "ternary", "required", "lookup", "first", "last", "rest", "initial", "append", "prepend",
		"concat", "kindOf", "kindIs", "typeOf", "typeIs", "typeIsLike", "all", "any":
		return true
	}
	return false
}

func checkResult(name string, result reflect.Value) error {
	if result.Kind() == reflect.Interface {
		result = result.Elem()
	}
	switch result.Kind() {
	case reflect.String:
		if result.Len() > maxText {
			return &limitError{fmt.Sprintf("%s returns more than %d MiB", name, maxText>>20)}
		}
	case reflect.Slice, reflect.Map:
		if result.Len() > maxItems && result.Type().Elem().Kind() != reflect.Uint8 {
			return &limitError{fmt.Sprintf("%s returns more than %d items", name, maxItems)}
		}
	}
	return nil
}

// checkSize refuses numbers with which a function would make more than there may be before anybody can look.
func checkSize(name string, args []reflect.Value) error {
	var size float64
	switch name {
	case "repeat":
		size = number(args[0]) * float64(args[1].Len())
	case "indent", "nindent":
		size = number(args[0]) * float64(strings.Count(args[1].String(), "\n")+1)
	case "until", "randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randBytes":
		size = math.Abs(number(args[0]))
		if size > maxItems {
			return &limitError{fmt.Sprintf("%s %.0f is more than %d", name, size, maxItems)}
		}
	case "untilStep":
		start, stop, step := number(args[0]), number(args[1]), number(args[2])
		if step != 0 && math.Abs((stop-start)/step) > maxItems {
			return &limitError{fmt.Sprintf("untilStep returns more than %d items", maxItems)}
		}
	case "seq":
		for i := range args[0].Len() {
			if n := number(args[0].Index(i)); math.Abs(n) > maxItems {
				return &limitError{fmt.Sprintf("seq %.0f is more than %d", n, maxItems)}
			}
		}
	}
	if size > maxText {
		return &limitError{fmt.Sprintf("%s returns more than %d MiB", name, maxText>>20)}
	}
	return nil
}

// number is what a template passes as a number, which may be text.
func number(v reflect.Value) float64 {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.String:
		n, err := strconv.ParseFloat(v.String(), 64)
		if err != nil {
			return 0
		}
		return n
	}
	return 0
}

// checkExtent refuses values that a chart has tied into a knot, or in which it has one value so often that writing
// them would never end.
func checkExtent(v reflect.Value) error {
	e := extent{left: maxItems}
	if !e.take(v, 0) {
		return &limitError{e.why.Error()}
	}
	return nil
}

type extent struct {
	left int
	why  error
}

func (e *extent) take(v reflect.Value, depth int) bool {
	e.left--
	switch {
	case e.left < 0:
		e.why = fmt.Errorf("a value stands for more than %d values", maxItems)
		return false
	case depth > maxNesting:
		e.why = errors.New("a value contains itself, or is nested too deep")
		return false
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return v.IsNil() || e.take(v.Elem(), depth+1)
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !e.take(entries.Value(), depth+1) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		if isScalar(v.Type().Elem().Kind()) {
			return true
		}
		for i := range v.Len() {
			if !e.take(v.Index(i), depth+1) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !e.take(v.Field(i), depth+1) {
				return false
			}
		}
	}
	return true
}

func isScalar(kind reflect.Kind) bool {
	return kind == reflect.String || kind >= reflect.Bool && kind <= reflect.Complex128
}
