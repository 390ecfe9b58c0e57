/**
 * The grammar of chunk extensions, one octet at a time.
 * Runs on: any; runtime API: none
 *
 * RFC 9112 section 7.1.1:
 *
 *     chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] )
 *
 * No extension means anything here, but each is checked: servers that skipped them loosely, up to some line end, were
 * led to see other chunk boundaries than the server in front. White space is only good in front of ";", "=" or a name.
 */
import {
  BACKSLASH,
  CR,
  DOUBLE_QUOTE,
  EQUALS,
  isBlank,
  isFieldValueOctet,
  isQuotedText,
  isToken,
  SEMICOLON,
} from "./octets.ts";

/** What the next octet of the extensions may be. */
export const ExtensionState = {
  /** Something is wrong. */
  Error: 0,
  /** The octet was the CR that ends the line. */
  Ended: 1,
  /** Behind the chunk size or a quoted string. */
  AfterItem: 2,
  /** Behind white space that only a semicolon makes good. */
  BeforeSemicolon: 3,
  BeforeName: 4,
  Name: 5,
  AfterName: 6,
  BeforeValue: 7,
  Token: 8,
  Quoted: 9,
  /** Behind a backslash in a quoted string. */
  QuotedPair: 10,
} as const;

/** A value of {@link ExtensionState}. */
export type ExtensionState = typeof ExtensionState[keyof typeof ExtensionState];

/** The state behind `octet`. */
export function nextExtensionState(state: ExtensionState, octet: number): ExtensionState {
  switch (state) {
    case ExtensionState.AfterItem:
      return afterItem(octet);
    case ExtensionState.BeforeSemicolon:
      if (isBlank(octet)) return state;
      return octet === SEMICOLON ? ExtensionState.BeforeName : ExtensionState.Error;
    case ExtensionState.BeforeName:
      if (isBlank(octet)) return state;
      return isToken(octet) ? ExtensionState.Name : ExtensionState.Error;
    case ExtensionState.Name:
      if (isToken(octet)) return state;
      if (octet === EQUALS) return ExtensionState.BeforeValue;
      return isBlank(octet) ? ExtensionState.AfterName : afterItem(octet);
    case ExtensionState.AfterName:
      if (isBlank(octet)) return state;
      if (octet === EQUALS) return ExtensionState.BeforeValue;
      return octet === SEMICOLON ? ExtensionState.BeforeName : ExtensionState.Error;
    case ExtensionState.BeforeValue:
      if (isBlank(octet)) return state;
      if (octet === DOUBLE_QUOTE) return ExtensionState.Quoted;
      return isToken(octet) ? ExtensionState.Token : ExtensionState.Error;
    case ExtensionState.Token:
      return isToken(octet) ? state : afterItem(octet);
    case ExtensionState.Quoted:
      if (isQuotedText(octet)) return state;
      if (octet === BACKSLASH) return ExtensionState.QuotedPair;
      return octet === DOUBLE_QUOTE ? ExtensionState.AfterItem : ExtensionState.Error;
    case ExtensionState.QuotedPair:
      return isFieldValueOctet(octet) ? ExtensionState.Quoted : ExtensionState.Error;
    default:
      return ExtensionState.Error;
  }
}

function afterItem(octet: number): ExtensionState {
  if (octet === CR) return ExtensionState.Ended;
  if (octet === SEMICOLON) return ExtensionState.BeforeName;
  return isBlank(octet) ? ExtensionState.BeforeSemicolon : ExtensionState.Error;
}
