package words

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine is printable text on one line of at most limit characters, of which the last three are dots where it was cut.
// Anything else does the terminals harm of those who read it, and API servers drop warnings with control characters. No
// more of s is looked at than is needed.
func OneLine(s string, limit int) string {
	var b strings.Builder
	written, space := 0, false
	// cut is the length of b at which three more characters still fit.
	cut := 0
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = written > 0
			continue
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			continue
		}
		if space {
			b.WriteByte(' ')
			written, space = written+1, false
			if written <= limit-3 {
				cut = b.Len()
			}
		}
		b.WriteRune(r)
		written++
		if written <= limit-3 {
			cut = b.Len()
		}
		if written > limit {
			return strings.TrimRight(b.String()[:cut], " ") + "..."
		}
	}
	return b.String()
}

// Cut shortens a text to at most size bytes, three at least, between characters; an ellipsis says so.
func Cut(s string, size int) string {
	const ellipsis = "…"
	if len(s) <= size {
		return s
	}
	end := max(size-len(ellipsis), 0)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// maxMarkdown is how many bytes of a text its first sentence is looked for in.
const maxMarkdown = 4096

var (
	markdownFence = regexp.MustCompile("(?s)(?:```|~~~).*?(?:```|~~~|$)")
	markdownLink  = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	markdownMark  = regexp.MustCompile("`+|\\*\\*|__")
	markdownHead  = regexp.MustCompile(`(?m)^\s*#+\s.*$`)
	// markdownBegin are the marks of quotations and lists.
	markdownBegin = regexp.MustCompile(`(?m)^\s*(?:>|[-*+]|\d+[.)])\s+`)
	paragraphEnd  = regexp.MustCompile(`\n\s*\n`)
	// sentenceEnd is followed by a capital letter, or e.g. would be the end of this one.
	sentenceEnd = regexp.MustCompile(`[.!?](?:\s+[\p{Lu}]|\s*$)`)
)

// FirstSentence is the first sentence of Markdown as plain text, but for headings; empty when there is only code. It has at
// most limit characters.
func FirstSentence(markdown string, limit int) string {
	if len(markdown) > maxMarkdown {
		markdown = markdown[:maxMarkdown]
	}
	text := markdownFence.ReplaceAllString(markdown, "\n\n")
	text = strings.TrimSpace(markdownHead.ReplaceAllString(text, ""))
	if end := paragraphEnd.FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	text = markdownBegin.ReplaceAllString(text, "")
	text = markdownMark.ReplaceAllString(markdownLink.ReplaceAllString(text, "$1"), "")
	if end := sentenceEnd.FindStringIndex(text); end != nil {
		text = text[:end[0]+1]
	}
	return OneLine(strings.TrimSuffix(text, ":"), limit)
}
