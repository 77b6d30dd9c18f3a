import { SegmentedControl, Text } from '@mantine/core'
import { useState } from 'react'
import type { Schemas } from '../../api/client'
import { CodeView, DiffView } from '../../ui/CodeView'
import { Copy } from '../../ui/Copy'
import { plural } from '../../ui/number'
import { Section } from '../../ui/Section'
import { manifestOf } from './manifest'

/** The object as it was judged with what is wrong marked, or what would be right. */
export function Manifest({ violation }: { violation: Schemas['OneViolation'] }) {
  const manifest = manifestOf(violation.manifest, violation.occurrences)
  const [shown, setShown] = useState<'object' | 'change'>('object')
  return (
    <Section
      title="The object as it was judged"
      actions={
        <>
          {manifest.suggested !== undefined && (
            <SegmentedControl
              size="xs"
              aria-label="What is shown"
              value={shown}
              onChange={(value) => setShown(value)}
              data={[
                { value: 'object', label: 'Object' },
                { value: 'change', label: 'Suggested change' },
              ]}
            />
          )}
          <Copy
            text={shown === 'change' && manifest.suggested !== undefined ? manifest.suggested : manifest.text}
            label="Copy YAML"
          />
        </>
      }
    >
      <Text size="sm" c="dimmed" mb="xs">
        {shown === 'change'
          ? 'The recommended values put in. Where the value comes from may be an overlay or a chart: change it there, in Git.'
          : manifest.lines.length > 0
            ? `${plural(manifest.lines.length, 'line')} marked: ${manifest.lines.join(', ')}`
            : 'The policy does not say which field it is.'}
      </Text>
      {shown === 'change' && manifest.suggested !== undefined ? (
        <DiffView before={manifest.text} after={manifest.suggested} language="yaml" label="Suggested change" />
      ) : (
        <CodeView text={manifest.text} language="yaml" label="Object in YAML" marked={manifest.lines} />
      )}
    </Section>
  )
}
