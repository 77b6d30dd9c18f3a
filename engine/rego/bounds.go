package rego

import (
	"cmp"
	"fmt"
	"math/big"
	"net/netip"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Bounds of what a single call of a built-in may make. An evaluation can be stopped between two calls but seldom within
// one, so one call must not be able to use up the memory or the time. Kubernetes objects have at most 3 MiB.
const (
	// maxText is the longest string, in bytes.
	maxText = 16 << 20
	// maxElements is how many elements a collection has at most.
	maxElements = 1 << 20
	// maxParsed is how much text is parsed at most, in bytes: parsed values take tens of times the memory.
	maxParsed = 2 << 20
	// maxDigits is how many digits a number has at most. OPA bounds exponents.
	maxDigits = 20_000
	// maxAddresses is how many addresses a network expands to at most.
	maxAddresses = 1 << 17
)

// boundError is why a call of a built-in is refused.
type boundError struct {
	builtin string
	reason  string
}

func (e *boundError) Error() string { return e.builtin + ": " + e.reason }

// exceeds is the error for a reason; nil for none.
func exceeds(builtin, reason string) error {
	if reason == "" {
		return nil
	}
	return &boundError{builtin, reason}
}

// bound checks the operands of a call before it is made, and says what is wrong with it; empty when it may be made.
type bound func(operands []*ast.Term) string

// boundOf is the bound of a built-in; nil for one whose results are hardly larger than its operands.
func boundOf(name string) bound {
	switch name {
	case ast.NumbersRange.Name, ast.NumbersRangeStep.Name:
		return boundRange
	case ast.ArrayConcat.Name:
		return func(operands []*ast.Term) string { return elements(size(operands[0].Value) + size(operands[1].Value)) }
	case ast.ArrayFlatten.Name:
		return boundFlatten
	case ast.Concat.Name:
		return boundConcat
	case ast.InternalTemplateString.Name:
		return func(operands []*ast.Term) string { return text(textSize(operands[0].Value)) }
	case ast.Sprintf.Name:
		return boundSprintf
	case ast.Replace.Name:
		return boundReplace
	case ast.ReplaceN.Name:
		return boundReplaceN
	case ast.Split.Name:
		return boundSplit
	case ast.JSONMarshal.Name, ast.YAMLMarshal.Name, ast.URLQueryEncodeObject.Name:
		return func(operands []*ast.Term) string { return text(textSize(operands[0].Value)) }
	case ast.JSONMarshalWithOptions.Name:
		return boundMarshal
	case ast.JSONUnmarshal.Name, ast.JSONIsValid.Name, ast.YAMLUnmarshal.Name, ast.YAMLIsValid.Name, ast.URLQueryDecodeObject.Name,
		ast.GraphQLParse.Name, ast.GraphQLParseAndVerify.Name, ast.GraphQLParseQuery.Name, ast.GraphQLParseSchema.Name,
		ast.GraphQLIsValid.Name, ast.GraphQLSchemaIsValid.Name, ast.CryptoX509ParseCertificates.Name,
		ast.CryptoX509ParseAndVerifyCertificates.Name, ast.CryptoX509ParseAndVerifyCertificatesWithOptions.Name:
		return boundParsed
	case ast.JSONSchemaVerify.Name:
		return func(operands []*ast.Term) string { return boundSchema(operands[0].Value) }
	case ast.JSONMatchSchema.Name:
		return func(operands []*ast.Term) string {
			return cmp.Or(boundParsed(operands[:1]), boundSchema(operands[1].Value))
		}
	case ast.Multiply.Name, ast.Plus.Name, ast.Minus.Name, ast.Divide.Name, ast.Rem.Name:
		return boundArithmetic
	case ast.BitsShiftLeft.Name:
		return boundShift
	case ast.Product.Name:
		return boundProduct
	case ast.NetCIDRExpand.Name:
		return boundExpand
	case ast.ReachablePathsBuiltin.Name:
		return boundPaths
	case ast.RegexMatch.Name, ast.RegexMatchDeprecated.Name, ast.RegexIsValid.Name, ast.RegexTemplateMatch.Name:
		return boundRegex
	case ast.RegexSplit.Name, ast.RegexFind.Name, ast.RegexFindAllStringSubmatch.Name:
		return boundMatches
	case ast.RegexReplace.Name:
		return boundRegexReplace
	}
	return nil
}

// largeResult is the size in bytes from which on the result of a call takes notable memory and time.
const largeResult = 4 << 10

// elementSize is about how many bytes an element of a collection takes.
const elementSize = 64

// boundResult is about how many bytes a result has, and what is wrong with it if it is too large.
func boundResult(result *ast.Term) (bytes int, reason string) {
	switch v := result.Value.(type) {
	case ast.String:
		return len(v), text(len(v))
	case ast.Number:
		if len(v) > maxDigits {
			reason = fmt.Sprintf("the number has more than %d digits", maxDigits)
		}
		return len(v), reason
	}
	n := size(result.Value)
	return n * elementSize, elements(n)
}

// elements and text say that a result would be too large; negative sizes are those that were too large to count.
func elements(n int) string {
	if n < 0 || n > maxElements {
		return fmt.Sprintf("the result would have more than %d elements", maxElements)
	}
	return ""
}

func text(n int) string {
	if n < 0 || n > maxText {
		return fmt.Sprintf("the result would be larger than %d MiB", maxText>>20)
	}
	return ""
}

// size is how many elements a collection has; 0 for what is none, about which the built-in will complain.
func size(v ast.Value) int {
	switch v := v.(type) {
	case *ast.Array:
		return v.Len()
	case ast.Set:
		return v.Len()
	case ast.Object:
		return v.Len()
	}
	return 0
}

func stringOf(v ast.Value) string {
	s, _ := v.(ast.String)
	return string(s)
}

func integer(t *ast.Term) (*big.Int, bool) {
	n, ok := t.Value.(ast.Number)
	if !ok || len(n) > maxDigits {
		return nil, false
	}
	return new(big.Int).SetString(string(n), 10)
}

func boundRange(operands []*ast.Term) string {
	var ends [2]int64
	for i := range ends {
		n, ok := operands[i].Value.(ast.Number)
		if !ok {
			return ""
		}
		if ends[i], ok = n.Int64(); !ok {
			return boundBigRange(operands)
		}
	}
	const far = 1 << 62 // nearer ends have a difference that is an int64
	if d := ends[1] - ends[0]; max(ends[0], ends[1]) < far && min(ends[0], ends[1]) > -far && -maxElements < d && d < maxElements {
		return ""
	}
	return boundBigRange(operands)
}

func boundBigRange(operands []*ast.Term) string {
	from, ok := integer(operands[0])
	to, ok2 := integer(operands[1])
	if !ok || !ok2 {
		return "the range has an end that is not an integer, or too large"
	}
	count := new(big.Int).Abs(new(big.Int).Sub(to, from))
	if len(operands) > 2 {
		if step, ok := integer(operands[2]); ok && step.Sign() > 0 {
			count.Quo(count, step)
		}
	}
	if !count.IsInt64() {
		return elements(-1)
	}
	return elements(int(min(count.Int64()+1, maxElements+1)))
}

func boundFlatten(operands []*ast.Term) string {
	list, ok := operands[0].Value.(*ast.Array)
	if !ok {
		return ""
	}
	n := 0
	for i := range list.Len() {
		n += max(1, size(list.Elem(i).Value))
	}
	return elements(n)
}

func boundArithmetic(operands []*ast.Term) string {
	digits := 0
	for _, o := range operands {
		if n, ok := o.Value.(ast.Number); ok {
			digits += len(n)
		}
	}
	if digits > 2*maxDigits {
		return fmt.Sprintf("the numbers have more than %d digits", 2*maxDigits)
	}
	return ""
}

func boundShift(operands []*ast.Term) string {
	const bitsPerDigit = 3
	if by, ok := integer(operands[1]); ok && by.Cmp(big.NewInt(maxDigits*bitsPerDigit)) > 0 {
		return fmt.Sprintf("a shift by more than %d bits", maxDigits*bitsPerDigit)
	}
	return ""
}

func boundProduct(operands []*ast.Term) string {
	digits := 0
	each(operands[0].Value, func(t *ast.Term) bool {
		if n, ok := t.Value.(ast.Number); ok {
			digits += len(n)
		}
		return digits > maxDigits
	})
	if digits > maxDigits {
		return fmt.Sprintf("the product would have more than %d digits", maxDigits)
	}
	return ""
}

// each visits the elements of an array or a set until visit returns true.
func each(v ast.Value, visit func(*ast.Term) (done bool)) {
	switch v := v.(type) {
	case *ast.Array:
		for i := range v.Len() {
			if visit(v.Elem(i)) {
				return
			}
		}
	case ast.Set:
		for _, e := range v.Slice() {
			if visit(e) {
				return
			}
		}
	}
}

func boundExpand(operands []*ast.Term) string {
	prefix, err := netip.ParsePrefix(stringOf(operands[0].Value))
	if err != nil {
		return "" // the built-in says so itself
	}
	if hostBits := prefix.Addr().BitLen() - prefix.Bits(); hostBits > 17 {
		return fmt.Sprintf("%s has more than %d addresses", prefix, maxAddresses)
	}
	return ""
}

func boundParsed(operands []*ast.Term) string {
	for _, o := range operands {
		if len(stringOf(o.Value)) > maxParsed {
			return fmt.Sprintf("a text of more than %d MiB is not parsed", maxParsed>>20)
		}
	}
	return ""
}

// boundPaths bounds the number of paths, which can double with every node.
func boundPaths(operands []*ast.Term) string {
	graph, ok := operands[0].Value.(ast.Object)
	if !ok {
		return ""
	}
	left := maxElements / 8
	onPath := ast.NewSet()
	var follow func(node *ast.Term, depth int) bool
	follow = func(node *ast.Term, depth int) (tooMany bool) {
		if left -= depth; left < 0 {
			return true
		}
		edges := graph.Get(node)
		if edges == nil || onPath.Contains(node) {
			return false
		}
		before := onPath
		onPath = onPath.Union(ast.NewSet(node))
		each(edges.Value, func(next *ast.Term) bool {
			tooMany = follow(next, depth+1)
			return tooMany
		})
		onPath = before
		return tooMany
	}
	tooMany := false
	each(operands[1].Value, func(t *ast.Term) bool {
		tooMany = follow(t, 1)
		return tooMany
	})
	if tooMany {
		return "the graph has too many paths"
	}
	return ""
}

// boundSchema keeps a schema from naming files and hosts: OPA would read any file of the process.
func boundSchema(schema ast.Value) string {
	if s, ok := schema.(ast.String); ok {
		if len(s) > maxParsed {
			return fmt.Sprintf("a text of more than %d MiB is not parsed", maxParsed>>20)
		}
		parsed, err := ast.ValueFromReader(strings.NewReader(string(s)))
		if err != nil {
			return "" // the built-in says so itself
		}
		schema = parsed
	}
	if textSize(schema) < 0 {
		return fmt.Sprintf("a schema of more than %d MiB", maxText>>20)
	}
	reason := ""
	ast.WalkTerms(ast.NewTerm(schema), func(t *ast.Term) bool {
		o, ok := t.Value.(ast.Object)
		if !ok {
			return reason != ""
		}
		o.Foreach(func(k, v *ast.Term) {
			key, value := stringOf(k.Value), strings.ToLower(strings.TrimSpace(stringOf(v.Value)))
			outside := key == "$ref" && !strings.HasPrefix(value, "#") && value != "" && !strings.HasPrefix(value, "http")
			if outside || (key == "$ref" || key == "$id" || key == "id") && strings.HasPrefix(value, "file:") {
				reason = fmt.Sprintf("the schema refers to %s: policies may not reach out of the process", value)
			}
		})
		return reason != ""
	})
	return reason
}
