/**
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import { parseFormData } from "../../src/worker/form_data.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const TYPE = "multipart/form-data; boundary=e";

test("parseFormData gives fields as text and files with name, type and content", async () => {
  const form = parseFormData(
    encode(
      '--e\r\nContent-Disposition: form-data; name="a"\r\n\r\n\ufeffä\r\n' +
        '--e\r\nContent-Disposition: form-data; name="f"; filename="x y.bin"\r\nContent-Type: application/x-test\r\n\r\nab\r\n' +
        '--e\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--e--\r\n',
    ),
    TYPE,
  );
  assert.deepEqual(form.getAll("a"), ["\ufeffä", ""]);
  const file = form.get("f");
  assert.ok(file instanceof File);
  assert.deepEqual([file.name, file.type, await file.text()], ["x y.bin", "application/x-test", "ab"]);
});

test("parseFormData reads urlencoded forms, whatever the parameters of the type", () => {
  for (
    const type of ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded; charset=utf-8"]
  ) {
    assert.deepEqual([...parseFormData(encode("a=b+c&a=%C3%A9&d"), type)], [["a", "b c"], ["a", "é"], [
      "d",
      "",
    ]]);
  }
});

test("parseFormData tells the sender's faults from the handler's", () => {
  const cases: [string, string][] = [
    ["", TYPE],
    ["--e\r\n", TYPE],
    ["a=b", "multipart/form-data"],
    ["a=b", "text/plain"],
    ["a=b", "application/x-www-form-urlencodedx"],
    ["a=b", ""],
  ];
  for (const [body, type] of cases) {
    assert.throws(
      () => parseFormData(encode(body), type),
      (error) => error instanceof CartoucheError && error.code === "ERR_BODY_SYNTAX",
      JSON.stringify([body, type]),
    );
  }
});
