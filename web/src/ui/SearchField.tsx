import { TextInput, type TextInputProps } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'

interface Properties extends Pick<TextInputProps, 'm' | 'flex' | 'className'> {
  /** What is found by it, also shown while it is empty. */
  label: string
  text: string
  change: (text: string) => void
}

/** A field for what is to be found. */
export function SearchField({ label, text, change, ...look }: Properties) {
  return (
    <TextInput
      {...look}
      type="search"
      maxLength={200}
      aria-label={label}
      placeholder={label}
      leftSection={<IconSearch size={15} aria-hidden />}
      value={text}
      onChange={(event) => change(event.currentTarget.value)}
    />
  )
}
