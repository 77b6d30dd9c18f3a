import { JsonInput, NativeSelect, NumberInput, TagsInput, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { Schemas } from '../../api/client'

interface Properties {
  parameter: Schemas['PolicyParameter']
  value: unknown
  change: (value: unknown) => void
}

/** A field for a parameter, by the type that the policy declares. What fits no field is written as JSON. */
export function ParameterField({ parameter: { name, type, description }, value, change }: Properties) {
  const common = { label: name, description: description ?? type, style: { flex: 1 } }
  switch (type) {
    case 'integer':
    case 'number':
      if (typeof value === 'number')
        return (
          <NumberInput
            {...common}
            value={value}
            allowDecimal={type === 'number'}
            // While a number is being typed it may be none; the last one stays until there is another.
            onChange={(now) => typeof now === 'number' && change(now)}
          />
        )
      break
    case 'boolean':
      if (typeof value === 'boolean')
        return (
          <NativeSelect
            {...common}
            value={String(value)}
            data={['true', 'false']}
            onChange={(event) => change(event.currentTarget.value === 'true')}
          />
        )
      break
    case 'string':
      if (typeof value === 'string')
        return <TextInput {...common} value={value} onChange={(event) => change(event.currentTarget.value)} />
      break
    case 'array':
      if (Array.isArray(value) && value.every((v) => typeof v === 'string'))
        return <TagsInput {...common} value={value} onChange={change} acceptValueOnBlur />
  }
  return <AnyJSON {...common} start={value} change={change} />
}

function AnyJSON({
  start,
  change,
  ...common
}: {
  label: string
  description: string
  start: unknown
  change: (v: unknown) => void
}) {
  const [text, setText] = useState(() => JSON.stringify(start, null, 2))
  return (
    <JsonInput
      {...common}
      value={text}
      autosize
      minRows={2}
      maxRows={12}
      validationError="This is not JSON; the last value that was stays."
      onChange={(now) => {
        setText(now)
        try {
          change(JSON.parse(now) as unknown)
        } catch {
          // It is not finished; the field says so.
        }
      }}
    />
  )
}

/** A value to begin with where the policy has none. */
export function beginning({ type, value }: Schemas['PolicyParameter']): unknown {
  if (value !== undefined && value !== null) return value
  switch (type) {
    case 'integer':
    case 'number':
      return 0
    case 'boolean':
      return false
    case 'array':
      return []
    case 'string':
      return ''
    default:
      return null
  }
}
