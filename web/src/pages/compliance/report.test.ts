import { expect, test } from 'vitest'
import { csv, selfContained } from './report'

test('a formula is made a text, and quotes are doubled', () => {
  expect(csv([['=1+1', 'a,"b"', '-x']])).toBe(`'=1+1,"a,""b""",'-x\r\n`)
})

test('the report by itself has neither links nor scripts nor styles of the page', () => {
  const report = document.createElement('div')
  report.innerHTML = '<p class="x" onclick="y()">a <a href="/z">b</a><script>1</script><svg></svg></p>'
  const html = selfContained('<T>', 'a & b', report)
  expect(html).toContain('<p>a b</p>')
  expect(html).toContain('<p>a &amp; b</p>')
  expect(html).toContain('<title>&lt;T&gt;</title>')
  expect(html).not.toContain('script')
})
