import type { Schemas } from '../../api/client'

type Rule = Schemas['WorkspaceRule']

const reads = ['get', 'list', 'watch']
const writes = ['create', 'update', 'patch', 'delete']

/** What a rule's verbs let one do: those that belong together are one word. */
export function verbs(given: string[]): string {
  if (given.includes('*')) return 'anything with'
  const has = (needed: string[]) => needed.every((verb) => given.includes(verb))
  const words: string[] = []
  let left = given
  for (const [word, all] of [
    ['read', reads],
    ['write', writes],
  ] as const) {
    if (!has(all)) continue
    words.push(word)
    left = left.filter((verb) => !all.includes(verb))
  }
  words.push(...left)
  return words.join(', ')
}

/** A rule of a role as a sentence has it: verbs, resources and their API groups. */
export function readable(rule: Rule): { may: string; what: string; of: string } {
  return {
    may: verbs(rule.verbs),
    what: rule.resources.includes('*') ? 'all resources' : rule.resources.join(', ') || 'addresses that are no resources',
    of: rule.groups.map((group) => (group === '' ? 'core' : group === '*' ? 'all groups' : group)).join(', '),
  }
}

/** Whether a manifest limits rules to objects by name, which the API's rules do not tell. */
export function limitsNames(manifest: string): boolean {
  return /^\s*(- )?resourceNames:/m.test(manifest)
}
