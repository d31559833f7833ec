// Reads a JSON array of strings on stdin, writes the JSON array of their exact o200k_base counts.
// The first argument is the folder that `npm install --prefix` put gpt-tokenizer into.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const require = createRequire(join(process.argv[2], 'package.json'))
const { countTokens } = require('gpt-tokenizer/encoding/o200k_base')

// "<|endoftext|>" in what a user wrote is text like any other.
const asPlainText = { disallowedSpecial: new Set() }

const texts = JSON.parse(await text(process.stdin))
process.stdout.write(JSON.stringify(texts.map((each) => countTokens(each, asPlainText))))
