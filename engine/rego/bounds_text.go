package rego

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// textSize is about how long the text of a value is; -1 when it is longer than maxText. Values share their parts, so that
// a small one can have a text without end.
func textSize(v ast.Value) int {
	switch v := v.(type) {
	case ast.String:
		return len(v)
	case ast.Number:
		return len(v)
	case ast.Boolean, ast.Null:
		return len("false")
	}
	left := maxText
	if !spend(v, &left) {
		return -1
	}
	return maxText - left
}

// spend takes the length of the text from what is left; false when there is not enough.
func spend(v ast.Value, left *int) bool {
	const punctuation = 2
	*left -= punctuation
	switch v := v.(type) {
	case ast.String:
		*left -= len(v)
	case ast.Number:
		*left -= len(v)
	case *ast.Array:
		for i := range v.Len() {
			if !spend(v.Elem(i).Value, left) {
				return false
			}
		}
	case ast.Set:
		for _, e := range v.Slice() {
			if !spend(e.Value, left) {
				return false
			}
		}
	case ast.Object:
		tooLong := v.Until(func(key, value *ast.Term) bool { return !spend(key.Value, left) || !spend(value.Value, left) })
		if tooLong {
			return false
		}
	}
	return *left >= 0
}

func boundConcat(operands []*ast.Term) string {
	n := len(stringOf(operands[0].Value)) * max(0, size(operands[1].Value)-1)
	each(operands[1].Value, func(t *ast.Term) bool {
		n += len(stringOf(t.Value))
		return n > maxText
	})
	return text(n)
}

func boundSplit(operands []*ast.Term) string {
	s := stringOf(operands[0].Value)
	if len(s) < maxElements {
		return ""
	}
	return elements(strings.Count(s, stringOf(operands[1].Value)) + 1)
}

func boundReplace(operands []*ast.Term) string {
	s, old, with := stringOf(operands[0].Value), stringOf(operands[1].Value), stringOf(operands[2].Value)
	if (len(s)+1)*(1+len(with)) <= maxText {
		return ""
	}
	return text(len(s) + strings.Count(s, old)*len(with))
}

func boundReplaceN(operands []*ast.Term) string {
	patterns, ok := operands[0].Value.(ast.Object)
	s := stringOf(operands[1].Value)
	if !ok || len(s) == 0 {
		return ""
	}
	n := len(s)
	patterns.Until(func(old, with *ast.Term) bool {
		n += strings.Count(s, stringOf(old.Value)) * len(stringOf(with.Value))
		return n > maxText
	})
	return text(n)
}

func boundMarshal(operands []*ast.Term) string {
	n := textSize(operands[0].Value)
	options, ok := operands[1].Value.(ast.Object)
	if n < 0 || !ok {
		return text(n)
	}
	padding := 0
	options.Foreach(func(_, v *ast.Term) { padding += len(stringOf(v.Value)) })
	if padding <= 1 {
		return text(n)
	}
	// Every element has a line of its own, which begins with the prefix and an indent for each level above it.
	lines, depth := shape(operands[0].Value)
	return text(n + lines*padding*(depth+1))
}

// shape is how many elements a value has, and how deep they are nested.
func shape(v ast.Value) (elements, depth int) {
	elements = 2
	child := func(v ast.Value) {
		n, d := shape(v)
		elements, depth = elements+n, max(depth, d+1)
	}
	switch v := v.(type) {
	case *ast.Array:
		v.Foreach(func(t *ast.Term) { child(t.Value) })
	case ast.Set:
		v.Foreach(func(t *ast.Term) { child(t.Value) })
	case ast.Object:
		v.Foreach(func(_, t *ast.Term) { child(t.Value) })
	}
	return elements, depth
}

// boundSprintf adds up the widths and precisions of a format and the lengths of what is formatted. Package fmt refuses
// widths above a million, but a format can have any number of them.
func boundSprintf(operands []*ast.Term) string {
	format := stringOf(operands[0].Value)
	args, ok := operands[1].Value.(*ast.Array)
	if !ok {
		return ""
	}
	// What a verb makes of a wrong argument, such as %!d(string=...), is longer than the argument by no more than this.
	const notes = 24
	verbs, widths := 0, 0
	for rest := format; ; verbs++ {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			break
		}
		flags := strings.TrimLeft(after, "+-# 0123456789.*[]")
		widths += widthsOf(after[:len(after)-len(flags)], args)
		rest = after
	}
	longest, total := 0, 0
	for i := range args.Len() {
		n := textSize(args.Elem(i).Value)
		if n < 0 {
			return text(n)
		}
		longest, total = max(longest, n), total+n
	}
	// Each argument is used once, unless verbs name their arguments: %[1]s. A quoted or hexadecimal text grows.
	if strings.Contains(format, "[") {
		total = max(total, verbs*longest)
	}
	if strings.ContainsAny(format, "qxXUb#") && total > maxText/8 {
		total *= 6
	}
	return text(len(format) + widths + total + notes*(verbs+args.Len()))
}

// widthsOf is the sum of the numbers in the flags of a verb; a star stands for the largest number among the arguments.
func widthsOf(flags string, args *ast.Array) int {
	const most = 1_000_000
	sum, number := 0, 0
	for _, c := range flags {
		switch {
		case c >= '0' && c <= '9':
			number = min(number*10+int(c-'0'), most)
			continue
		case c == '*':
			args.Foreach(func(t *ast.Term) {
				if n, ok := t.Value.(ast.Number); ok {
					if i, ok := n.Int(); ok && i != math.MinInt {
						number = max(number, min(max(i, -i), most))
					}
				}
			})
		}
		sum, number = sum+number, 0
	}
	return sum + number
}

const (
	// maxPattern bounds the instructions of a compiled regular expression, which take 40 bytes each.
	maxPattern = 1 << 17
	// maxMatching bounds instructions times bytes: as many steps can matching take, and nothing stops it.
	maxMatching = 1 << 30
)

// boundRegex bounds what it takes to compile a pattern, which is the first operand, and to match it with the second.
func boundRegex(operands []*ast.Term) string {
	length := 0
	if len(operands) > 1 {
		length = len(stringOf(operands[1].Value))
	}
	return boundPattern(stringOf(operands[0].Value), length)
}

// boundMatches bounds what is found too.
func boundMatches(operands []*ast.Term) string {
	pattern, s := stringOf(operands[0].Value), stringOf(operands[1].Value)
	reason := boundPattern(pattern, len(s))
	if groups := 1 + strings.Count(pattern, "("); reason == "" && (len(s)+1)*groups > maxElements {
		reason = elements(countMatches(pattern, s) * groups)
	}
	return reason
}

func boundRegexReplace(operands []*ast.Term) string {
	s, pattern, with := stringOf(operands[0].Value), stringOf(operands[1].Value), stringOf(operands[2].Value)
	if reason := boundPattern(pattern, len(s)); reason != "" {
		return reason
	}
	references := strings.Count(with, "$")
	if (len(s)+1)*(1+references+len(with)) <= maxText {
		return ""
	}
	// References repeat what was matched, all matches together are no longer than the string.
	return text(len(s)*(1+references) + countMatches(pattern, s)*len(with))
}

func boundPattern(pattern string, length int) string {
	n := len(pattern)
	if n*(length+1) > maxMatching || n > maxPattern || strings.Contains(pattern, "{") {
		n = patternSize(pattern)
	}
	switch {
	case n > maxPattern:
		return "the pattern is too large"
	case n*(length+1) > maxMatching:
		return fmt.Sprintf("the pattern is too large for a text of %d bytes", length)
	}
	return ""
}

// patternSize is about how many instructions a pattern is compiled to: a repetition repeats them. The parser bounds
// nested repetitions to 1,000.
func patternSize(pattern string) int {
	repeats := 1
	for _, part, found := strings.Cut(pattern, "{"); found; _, part, found = strings.Cut(part, "{") {
		n := 0
		for _, c := range part {
			if c >= '0' && c <= '9' {
				n = min(n*10+int(c-'0'), 1000)
			} else if c == ',' {
				repeats, n = min(repeats*max(n, 1), 1000), 0
			} else {
				break
			}
		}
		repeats = min(repeats*max(n, 1), 1000)
	}
	if estimate := len(pattern) * repeats; estimate <= maxPattern/64 || len(pattern) > maxPattern {
		return estimate
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0 // the built-in says so itself
	}
	return instructions(parsed)
}

func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// countMatches is how often a pattern matches a string; 0 when it is no pattern.
func countMatches(pattern, s string) (n int) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return 0
	}
	re.ReplaceAllStringFunc(s, func(string) string {
		n++
		return ""
	})
	return n
}
