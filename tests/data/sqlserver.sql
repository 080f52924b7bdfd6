IF SCHEMA_ID(N'main') IS NULL EXEC(N'CREATE SCHEMA "main"');

CREATE TABLE "main"."things" ("account" NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NULL, "id" NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NULL, "value" NVARCHAR(MAX) COLLATE Latin1_General_100_BIN2 NULL, "seen_at" DATETIME2(6) NULL);

CREATE NONCLUSTERED INDEX "_key" ON "main"."things" ("account", "id");

DROP TABLE IF EXISTS "#stage";

SELECT TOP 0 t."account", t."id", t."value", t."seen_at", CAST(NULL AS BIGINT) AS "_place" INTO "#stage" FROM (SELECT 1 AS one) AS o LEFT JOIN "main"."things" AS t ON 1 = 0;

SELECT CASE WHEN EXISTS (SELECT 1 AS one FROM "#stage" GROUP BY "account", DATALENGTH("account"), "id", DATALENGTH("id") HAVING count(*) > 1) THEN 1 ELSE 0 END;

SELECT CASE WHEN EXISTS (SELECT 1 FROM "main"."things") THEN 1 ELSE 0 END;

INSERT INTO "main"."things" ("account", "id", "value", "seen_at") SELECT s."account", s."id", s."value", s."seen_at" FROM "#stage" AS s;

SELECT count(*), count(DISTINCT _at), sum(_lost) FROM (SELECT s."_place" AS _at, CASE WHEN (t."seen_at" IS NULL OR s."seen_at" >= t."seen_at") AND EXISTS (SELECT s."seen_at" EXCEPT SELECT t."seen_at") THEN 1 ELSE 0 END AS _lost FROM "#stage" AS s INNER JOIN "main"."things" AS t ON t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id")) AS pairs;

SELECT id, value, seen_at FROM "main"."things" ORDER BY id;

DELETE FROM "#stage" WHERE "_place" IN (SELECT "_place" FROM (SELECT "_place", row_number() OVER (PARTITION BY "account", DATALENGTH("account"), "id", DATALENGTH("id") ORDER BY CASE WHEN "seen_at" IS NULL THEN 1 ELSE 0 END, "seen_at" DESC, "_place" DESC) AS _rank FROM "#stage") AS ranked WHERE _rank > 1);

SELECT count(*) FROM "#stage" AS s WHERE EXISTS (SELECT 1 FROM "main"."things" AS t WHERE t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id"));

UPDATE t SET "value" = s."value", "seen_at" = s."seen_at" FROM "main"."things" AS t WITH (UPDLOCK, HOLDLOCK) INNER JOIN "#stage" AS s ON t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id") WHERE (t."seen_at" IS NULL OR s."seen_at" >= t."seen_at") AND EXISTS (SELECT CAST(s."value" AS NVARCHAR(MAX)) COLLATE Latin1_General_100_BIN2, DATALENGTH(s."value") EXCEPT SELECT CAST(t."value" AS NVARCHAR(MAX)) COLLATE Latin1_General_100_BIN2, DATALENGTH(t."value"));

UPDATE t SET "seen_at" = s."seen_at" FROM "main"."things" AS t WITH (UPDLOCK, HOLDLOCK) INNER JOIN "#stage" AS s ON t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id") WHERE (t."seen_at" IS NULL OR s."seen_at" >= t."seen_at") AND EXISTS (SELECT s."seen_at" EXCEPT SELECT t."seen_at");

INSERT INTO "main"."things" ("account", "id", "value", "seen_at") SELECT s."account", s."id", s."value", s."seen_at" FROM "#stage" AS s WHERE NOT EXISTS (SELECT 1 FROM "main"."things" AS t WITH (UPDLOCK, HOLDLOCK) WHERE t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id"));

SELECT count(*) FROM "#stage" WHERE "account" IS NULL OR "id" IS NULL;

SELECT "_place" FROM "#stage" WHERE "account" IS NULL OR "id" IS NULL ORDER BY "_place";

DELETE FROM "#stage" WHERE "account" IS NULL OR "id" IS NULL;

UPDATE t SET "value" = s."value", "seen_at" = s."seen_at" FROM "main"."things" AS t WITH (UPDLOCK, HOLDLOCK) INNER JOIN "#stage" AS s ON t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id") WHERE 1 = 1 AND EXISTS (SELECT CAST(s."value" AS NVARCHAR(MAX)) COLLATE Latin1_General_100_BIN2, DATALENGTH(s."value"), s."seen_at" EXCEPT SELECT CAST(t."value" AS NVARCHAR(MAX)) COLLATE Latin1_General_100_BIN2, DATALENGTH(t."value"), t."seen_at");

DELETE t FROM "main"."things" AS t WHERE EXISTS (SELECT 1 FROM "#stage" AS s WHERE t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id"));

DELETE t FROM "main"."things" AS t WHERE NOT EXISTS (SELECT 1 FROM "#stage" AS s WHERE t."account" = s."account" AND DATALENGTH(t."account") = DATALENGTH(s."account") AND t."id" = s."id" AND DATALENGTH(t."id") = DATALENGTH(s."id")) AND t."account" = ?;

DELETE FROM "main"."things";

CREATE TABLE "main"."plain" ("id" NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NULL, "n" INT NULL);

UPDATE "main"."plain" SET "n" = ? WHERE "id" = ?;

INSERT INTO "main"."plain" ("id", "n") VALUES (?, ?);

SELECT id, n FROM main.plain;

IF SCHEMA_ID(N'other') IS NULL EXEC(N'CREATE SCHEMA "other"');

CREATE TABLE "other"."a 'b"" [c]]? %s 😀" ("id" NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NULL, "n" INT NULL);

CREATE CLUSTERED INDEX "_key" ON "other"."a 'b"" [c]]? %s 😀" ("id");

ALTER TABLE "main"."plain" ADD "a 'b"" [c]]? %s 😀" BIGINT NULL;

IF EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N'"main"."plain"') AND name = N'n' AND is_nullable = 0) EXEC(N'ALTER TABLE "main"."plain" ALTER COLUMN "n" BIGINT NOT NULL') ELSE EXEC(N'ALTER TABLE "main"."plain" ALTER COLUMN "n" BIGINT');

DROP TABLE "main"."things";

EXEC sp_rename N'"main"."plain"', N'things', N'OBJECT';

